// Package api is Hookferry's HTTP API: it turns requests into calls of the
// stations behind it, and what they return into JSON. It also describes itself:
// the OpenAPI document is made from the same table and the same types that serve
// the requests, and Swagger UI shows it at /docs.
//
// It decides nothing about webhooks. What a subscription may say is a rule of
// package event; which addresses may be called is the guard's matter; matching,
// storing and delivering happen behind the interfaces in Options. It sets no
// time-outs and no connection limits either: those belong to the http.Server.
//
// Start with router.go, the way of each request; then one file per resource:
// subscriptions.go, ingest.go, delivery.go, attempts.go, health.go and docs.go.
// problem.go is the only place where an error becomes an HTTP status.
//
// The JSON bodies are exported types because the generator of their schemas sees
// only those.
package api
