package hostile

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"time"
)

// step is a part of a script. Where it fails, the other end has gone, and the script
// is over.
type step func(*exchange) error

func readHeader(x *exchange) error {
	r, err := http.ReadRequest(x.in)
	if err != nil {
		return err
	}
	x.body = r.Body
	return nil
}

func readRequest(x *exchange) error {
	if err := readHeader(x); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, x.body)
	return err
}

// readSome reads what comes first, which need not be a request.
func readSome(x *exchange) error {
	_, err := x.in.Peek(1)
	return err
}

// hang says nothing until the other end hangs up.
func hang(x *exchange) error {
	_, err := io.Copy(io.Discard, x.in)
	return err
}

// patience is how long ignore holds a connection: it does not read, so it does not
// see that the other end has hung up.
const patience = time.Minute

// ignore reads nothing, and lets the system take as little as it can be made to.
func ignore(x *exchange) error {
	if err := x.tcp.SetReadBuffer(1); err != nil {
		return err
	}
	x.wait(patience)
	return nil
}

func say(text string) step {
	return func(x *exchange) error {
		_, err := io.WriteString(x, text)
		return err
	}
}

// drip writes a byte at a time until the other end hangs up.
func drip(x *exchange) error {
	for {
		if _, err := io.WriteString(x, "a"); err != nil {
			return err
		}
		if !x.wait(x.server.pace) {
			return nil
		}
	}
}

func forever(text string) step {
	return func(x *exchange) error {
		for {
			if _, err := io.WriteString(x, text); err != nil {
				return err
			}
		}
	}
}

// bomb writes a header, and then one packed file after another, which gzip takes for one
// file. It packs before it says anything, since who reads on waits only for a moment.
func bomb(header string) step {
	return func(x *exchange) error {
		const unpacked = 1 << 20
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(make([]byte, unpacked)); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		if err := say(header + packed.String())(x); err != nil {
			return err
		}
		return forever(packed.String())(x)
	}
}

// reset makes the other end see "connection reset by peer".
func reset(x *exchange) error {
	if err := x.tcp.SetLinger(0); err != nil {
		return err
	}
	return x.tcp.Close()
}

func halfClose(x *exchange) error { return x.tcp.CloseWrite() }
