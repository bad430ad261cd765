package telemetry

import (
	"io"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves the metrics in the format that the client asks for. A metric that can't be read
// does not affect the others.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

const adminIndex = `Hookferry, admin address. It needs no key, so only operators should be able to reach it.

/metrics              metrics for Prometheus
/debug/pprof/         profiles for go tool pprof
`

// AdminHandler serves the admin address: the metrics and Go's profiles. It has its own routes; what
// net/http/pprof adds to http.DefaultServeMux is not served. A CPU profile takes as long as its
// client asks for, so a server's WriteTimeout must allow for it.
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
	io.WriteString(w, adminIndex) // an error means that the client is gone, which does no harm
}
