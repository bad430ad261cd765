// Package hostile runs an endpoint that misbehaves on purpose, in many ways: it never responds,
// responds without end, resets connections, lies about lengths, or shows bad certificates. Tests
// use it, and `hookferry listen --hostile` runs it, so that anyone can see how a sender of webhooks
// handles it.
//
// It harms only its caller: it opens no connections, and reads no more of a request than it must.
// It does not say how a sender should handle each kind; that is up to the sender's tests.
//
// Start with the table in kinds.go, which contains a script for each kind. The steps of the scripts
// are in steps.go, and the server that plays them is in server.go.
package hostile
