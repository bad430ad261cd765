package send

import "crypto/tls"

// maxSessions bounds the TLS sessions that are kept, to be resumed: as many as idle
// connections, because what is kept of an endpoint that closes after each response is a
// session instead. One takes some kilobytes, its certificates above all.
const maxSessions = idleInAll

// session is the place of one endpoint among the sessions that are kept. A resumed
// session saves both ends the certificate and its signature. crypto/tls would keep
// sessions by the name of the server alone, and so offer one of a port to another,
// which may be somebody else's.
//
// What is resumed is judged again by crypto/tls: that the certificate is for this host,
// has not expired, and goes back to a root that is trusted now.
type session struct {
	all tls.ClientSessionCache
	to  string // the end that it leads to: scheme, host and port
}

// Get and Put are for crypto/tls, whose key is left alone.
func (s session) Get(string) (*tls.ClientSessionState, bool) { return s.all.Get(s.to) }

func (s session) Put(_ string, state *tls.ClientSessionState) { s.all.Put(s.to, state) }

// forget is after a handshake that failed: if the session was to blame, the next one
// goes without.
func (s session) forget() { s.all.Put(s.to, nil) }
