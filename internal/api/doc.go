// Package api is Hookferry's HTTP API. It turns requests into calls of the packages behind it, and
// their results into JSON. It also describes itself: the OpenAPI document is generated from the
// same table and types that serve the requests, and Swagger UI shows it at /docs.
//
// It makes no decisions about webhooks. Package event says what a subscription may contain, the
// guard says which addresses may be called, and matching, storing and delivering happen behind the
// interfaces in Options. It sets no timeouts and no connection limits: those belong to the
// http.Server.
//
// Start with router.go, which every request passes through. Then there is one file per resource:
// subscriptions.go, ingest.go, delivery.go, attempts.go, health.go and docs.go. Only problem.go
// turns an error into an HTTP status.
//
// The JSON bodies are exported types because the schema generator sees only exported types.
package api
