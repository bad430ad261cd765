package childproc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort returns a free loopback port. Another process may take it at any time, so the caller
// must be ready to try another. The system never uses it for outgoing connections, so a
// server that restarts finds its port free again, even under load.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := 15000 + rand.IntN(15000) // Linux uses ports from 32768 for outgoing connections, other systems from 49152
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1: %w", err)
}
