// Package hostile is a receiver of webhooks that misbehaves on purpose, in one way
// after another: it never answers, answers for ever, resets, lies about lengths,
// shows bad certificates. Tests call it, and `hookferry listen --hostile` runs it,
// so that anybody can see what a sender of webhooks makes of each.
//
// It does harm to nobody but who calls it: it opens no connection, and reads no more
// of a request than it has to. It says nothing about what should come of a kind:
// that is for the sender's tests.
//
// Start with the table in kinds.go, which is a script for each kind. The steps of
// the scripts are in steps.go and the server that plays them in server.go.
package hostile
