package childproc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort is a loopback port that nobody listens on at this moment: whoever uses
// it must try another when it is taken meanwhile. It is never one of those that the
// system gives to outgoing connections, so that a server that is down for a moment
// finds its port free when it comes back, under load too.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := 15000 + rand.IntN(15000) // Linux takes them from 32768 on, others from 49152
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1: %w", err)
}
