// Package send makes one attempt: it turns a subscription and an event into an
// HTTP request, signs it, sends it, and says in an event.Outcome how it ended.
//
// It also holds the guard, which decides which addresses may be called at all.
// The guard judges the address that is about to be dialled, after every look-up
// and before every connection, so a name that changes its mind changes nothing.
//
// What it does not do: it keeps no queue, plans no retry, limits no rate, writes
// nothing to a store and logs nothing. A webhook that fails is an Outcome with a
// code and a sentence, never an error. No sentence holds a secret, the value of one
// of the subscription's headers or the target URL: any may be confidential. What an
// endpoint responds is its own affair, but of a redirect only the address without
// its query is repeated, and of a response that is not HTTP nothing.
//
// A response's status line decides how an attempt has ended: HTTP and three digits, of which
// 2xx is success. What follows it is read leniently and for 250 ms at most. An odd header, a
// body that is cut or one without an end may cost the excerpt and the connection, and a line
// in the log, but never the outcome. What counts as a status line is the table of
// TestStatusLines.
//
// An attempt has one limit, its timeout, and no part of it has one of its own that would end
// it sooner. Within it net.Resolver asks each name server in turn, for a second at first,
// until one responds; a family of addresses that is late is not waited for (RFC 8305, section
// 3); and addresses are dialled beside each other, 250 ms apart (section 5).
//
// Start with Sender.Send in send.go, and go on to exchange.go, where a request goes out,
// and response.go, where its response comes in; pool.go keeps the connections. The words of
// an Outcome are made in answer.go (something came back) and failure.go (nothing did); the
// guard's rules are the table in guardtable.go, and its ways are guard.go for addresses,
// guardurl.go for texts and dial.go for connections. Those through a proxy are
// proxy.go and connect.go. race.go reaches the live one of several addresses, and lookup.go,
// question.go and nameserver.go find them.
package send
