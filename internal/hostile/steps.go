package hostile

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"time"
)

// step is one step of a script. It fails if the other side is gone, which ends the script.
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

// readSome reads the first bytes, which need not be a request.
func readSome(x *exchange) error {
	_, err := x.in.Peek(1)
	return err
}

// hang sends nothing until the other side closes the connection.
func hang(x *exchange) error {
	_, err := io.Copy(io.Discard, x.in)
	return err
}

// patience is how long ignore keeps a connection. Because ignore does not read, it can't see that
// the other side has closed the connection.
const patience = time.Minute

// ignore reads nothing, and makes the system accept as few bytes as possible.
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

// drip sends one byte at a time until the other side closes the connection.
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

// bomb sends a header, and then one gzip file after another, which gzip treats as one file. It
// compresses before it sends anything, because the other side waits only a moment for more.
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

// reset makes the other side see "connection reset by peer".
func reset(x *exchange) error {
	if err := x.tcp.SetLinger(0); err != nil {
		return err
	}
	return x.tcp.Close()
}

func halfClose(x *exchange) error { return x.tcp.CloseWrite() }
