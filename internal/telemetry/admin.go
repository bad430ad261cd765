package telemetry

import (
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler answers with the metrics, in the format that the caller asks for. One
// metric that can't be read does not take the others with it.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

const adminIndex = `Hookferry, admin address. It asks for no key: keep it where only operators get.

/metrics              metrics, for Prometheus
/debug/pprof/         profiles, for go tool pprof
`

// AdminHandler serves the admin address: the metrics and Go's profiles. It has
// routes of its own; what net/http/pprof puts in http.DefaultServeMux is served
// by nobody. A CPU profile takes as long as its reader asks for, so a server's
// WriteTimeout must leave room for it.
func AdminHandler(m *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", serveIndex)
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	io.WriteString(w, adminIndex) // the caller may have hung up; nothing is lost
}
