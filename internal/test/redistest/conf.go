package redistest

import (
	"fmt"
	"strings"
)

// conf returns the whole redis.conf. A later line overrides an earlier one: a test can make the
// server write to disk, but can't change its port or address.
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

// password returns the password in the settings.
func password(settings []string) string {
	for _, setting := range settings {
		if fields := strings.Fields(setting); len(fields) == 2 && fields[0] == "requirepass" {
			return fields[1]
		}
	}
	return ""
}
