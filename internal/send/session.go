package send

import "crypto/tls"

// maxSessions is the maximum number of TLS sessions in the cache. It equals the limit on idle
// connections, because an endpoint that closes the connection after each response needs a
// session instead. A session takes some kilobytes, mostly for its certificates.
const maxSessions = idleInAll

// session is the cache entry of one origin. Resuming a session saves both ends the certificate
// and its signature. crypto/tls would key sessions by the server's name alone, and so would offer a
// session to another port of that host, which may be a different endpoint.
//
// When a session is resumed, crypto/tls checks again that the certificate is for this host, has
// not expired, and is signed by a trusted root.
type session struct {
	all    tls.ClientSessionCache
	origin string
}

// Get returns the session of the origin. It ignores the key of crypto/tls.
func (s session) Get(string) (*tls.ClientSessionState, bool) { return s.all.Get(s.origin) }

// Put sets the session of the origin. It ignores the key of crypto/tls.
func (s session) Put(_ string, state *tls.ClientSessionState) { s.all.Put(s.origin, state) }

// forget removes the session after a failed handshake, which it may have caused.
func (s session) forget() { s.all.Put(s.origin, nil) }
