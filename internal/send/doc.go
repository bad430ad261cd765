// Package send makes one attempt: it turns a subscription and an event into an
// HTTP request, signs it, sends it, and returns an event.Outcome that says how it ended.
//
// It also contains the guard, which decides which addresses may be called. The guard
// checks the address that is about to be dialled, after every lookup and before every
// connection, so a name that later resolves to another address can't bypass it.
//
// The package has no queue, plans no retry, limits no rate, writes nothing to a store and
// logs nothing. A webhook that fails is an Outcome with a code and a message, never an
// error. No message contains a secret, the value of one of the subscription's headers or
// the target URL, because each may be confidential. Of a redirect, the message quotes the
// Location without its query. Of a response that is not HTTP, it quotes nothing.
//
// The status line of the response decides the outcome: HTTP and three digits, of which 2xx is
// success. What follows is read leniently and for at most 250 ms. An unusual header, or a body
// that is truncated or endless, may cost the excerpt and the connection and is logged, but it
// never changes the outcome. The table of TestStatusLines shows what counts as a status line.
//
// An attempt has one timeout. No part of it has a shorter one. Within it, net.Resolver asks the
// name servers in turn, each for a second at first, until one responds. It does not wait for
// the addresses of a late family (RFC 8305, section 3). Addresses are dialled in parallel,
// started 250 ms apart (section 5).
//
// Start with Sender.Send in send.go. Then read exchange.go, which sends the request, and
// response.go, which reads the response. pool.go keeps idle connections. The messages of an
// Outcome are in judge.go (there was a response) and failure.go (there was none). The guard's
// rules are the table in guardtable.go; guard.go checks addresses, guardurl.go checks URLs and
// dial.go checks connections. proxy.go and connect.go use a proxy. race.go connects to the first
// of several addresses that responds; lookup.go, question.go and nameserver.go look them up.
package send
