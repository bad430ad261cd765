package redistest

import (
	"fmt"
	"strings"
)

// conf is the whole redis.conf. Of two lines for the same, the later holds: a test
// may have the server write to disk, and can't move it elsewhere.
func (s *Server) conf() string {
	lines := append([]string{`save ""`, "appendonly no"}, s.settings...)
	lines = append(lines, "daemonize no", `logfile ""`, "bind 127.0.0.1")
	if s.trust == nil {
		lines = append(lines, fmt.Sprintf("port %d", s.port))
	} else {
		lines = append(lines, "port 0", fmt.Sprintf("tls-port %d", s.port), "tls-auth-clients no",
			"tls-cert-file cert.pem", "tls-key-file key.pem", "tls-ca-cert-file cert.pem")
	}
	return strings.Join(lines, "\n") + "\n"
}

// password is the one that the settings ask for.
func password(settings []string) string {
	for _, setting := range settings {
		if fields := strings.Fields(setting); len(fields) == 2 && fields[0] == "requirepass" {
			return fields[1]
		}
	}
	return ""
}
