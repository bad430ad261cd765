package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookferry/hookferry/internal/event"
)

// dialled is a connection in a test of race.
type dialled struct {
	to     netip.AddrPort
	closed func(netip.AddrPort)
}

func (d dialled) Close() error { d.closed(d.to); return nil }

// way is what happens when an address is dialled. If after is 0, nothing happens until the dial is
// cancelled.
type way struct {
	after time.Duration
	err   error
}

// course is what happened in a race.
type course struct {
	mu      sync.Mutex
	started []string // "2 at 250ms"
	closed  []string
}

func (c *course) note(list *[]string, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*list = append(*list, what)
}

func number(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 443)
}

// runs runs a race over the addresses 1, 2, 3, … in fake time.
func runs(t *testing.T, limit time.Duration, ways []way) (won byte, took time.Duration, c *course, err error) {
	t.Helper()
	c = &course{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		began := time.Now()
		given := 0
		next := func(context.Context) (netip.AddrPort, error) {
			if given++; given > len(ways) {
				return netip.AddrPort{}, io.EOF
			}
			return number(given), nil
		}
		dial := func(ctx context.Context, to netip.AddrPort) (dialled, error) {
			n := to.Addr().As4()[3]
			c.note(&c.started, fmt.Sprintf("%d at %v", n, time.Since(began)))
			w := ways[n-1]
			if w.after > 0 {
				time.Sleep(w.after) // even if it is cancelled in the meantime
				return dialled{to, func(a netip.AddrPort) { c.note(&c.closed, a.Addr().String()) }}, w.err
			}
			<-ctx.Done()
			return dialled{}, ctx.Err()
		}
		var conn dialled
		conn, err = race(ctx, next, dial)
		took = time.Since(began)
		if err == nil {
			won = conn.to.Addr().As4()[3]
		}
		time.Sleep(time.Hour) // everything in flight has ended
	})
	return won, took, c, err
}

func TestRace(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	refused, unreachable := error(syscall.ECONNREFUSED), error(syscall.ENETUNREACH)
	blocked := error(&blockedError{})
	hopeless := error(&proxyError{code: event.CodeNetwork, words: "the proxy"})
	dead, good := way{}, way{after: 10 * ms}
	many := make([]way, 40)
	tests := []struct {
		name    string
		ways    []way
		won     byte
		err     error
		took    time.Duration
		started []string
		closed  []string
	}{
		{"the first address responds", []way{good, good}, 1, nil, 10 * ms, []string{"1 at 0s"}, nil},
		{"a dead address before a good one", []way{dead, good}, 2, nil, 260 * ms, []string{"1 at 0s", "2 at 250ms"}, nil},
		{"three dead addresses before a good one", []way{dead, dead, dead, good}, 4, nil, 760 * ms, []string{"1 at 0s", "2 at 250ms", "3 at 500ms", "4 at 750ms"}, nil},
		{"an address that refuses", []way{{ms, refused}, good}, 2, nil, 11 * ms, []string{"1 at 0s", "2 at 1ms"}, nil},
		{"a blocked address", []way{{ms, blocked}, {ms, blocked}, good}, 3, nil, 12 * ms, []string{"1 at 0s", "2 at 1ms", "3 at 2ms"}, nil},
		{"a slow address wins against a dead one", []way{{600 * ms, nil}, dead}, 1, nil, 600 * ms, []string{"1 at 0s", "2 at 250ms"}, nil},
		{"a slow address comes too late", []way{{400 * ms, nil}, good}, 2, nil, 260 * ms, []string{"1 at 0s", "2 at 250ms"}, []string{"192.0.2.1"}},
		{"an address that fails starts the next one", []way{dead, {20 * ms, refused}, good}, 3, nil, 280 * ms, []string{"1 at 0s", "2 at 250ms", "3 at 270ms"}, nil},
		{"all addresses are dead", []way{dead, dead}, 0, context.DeadlineExceeded, 10 * time.Second, []string{"1 at 0s", "2 at 250ms"}, nil},
		{"all refuse", []way{{ms, refused}, {ms, unreachable}}, 0, refused, 2 * ms, []string{"1 at 0s", "2 at 1ms"}, nil},
		{"the error of the first address counts, not the earliest error", []way{{600 * ms, refused}, {ms, unreachable}}, 0, refused, 600 * ms, []string{"1 at 0s", "2 at 250ms"}, nil},
		{"all addresses are blocked", []way{{ms, blocked}, {ms, blocked}}, 0, blocked, 2 * ms, []string{"1 at 0s", "2 at 1ms"}, nil},
		{"one address may be called, and refuses", []way{{ms, blocked}, {ms, refused}, {ms, blocked}}, 0, refused, 3 * ms, []string{"1 at 0s", "2 at 1ms", "3 at 2ms"}, nil},
		{"after a hopeless error, no other address is tried", []way{dead, {ms, hopeless}, good}, 0, hopeless, 251 * ms, []string{"1 at 0s", "2 at 250ms"}, nil},
		{"no addresses", nil, 0, io.EOF, 0, nil, nil},
	}
	for _, tt := range tests {
		won, took, c, err := runs(t, 10*time.Second, tt.ways)
		if won != tt.won || err != tt.err || took != tt.took {
			t.Errorf("%s: %d won, %v, after %v; want %d, %v, %v", tt.name, won, err, took, tt.won, tt.err, tt.took)
		}
		if !slices.Equal(c.started, tt.started) || !slices.Equal(c.closed, tt.closed) {
			t.Errorf("%s: started %v, closed %v; want %v, %v", tt.name, c.started, c.closed, tt.started, tt.closed)
		}
	}
	if _, took, c, _ := runs(t, 900*ms, many); took != 900*ms || len(c.started) != 4 {
		t.Errorf("many dead ones: %v after %v", c.started, took)
	}
}

// scripted is a resolver whose responses are scripted, by the number of the call.
type scripted struct {
	calls int
	play  func(ctx context.Context, call int) ([]netip.Addr, error)
}

func (s *scripted) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip" || host != "x.example" {
		return nil, errors.New("something else was looked up")
	}
	s.calls++
	return s.play(ctx, s.calls)
}

var (
	silence   = &net.DNSError{Err: "i/o timeout", IsTimeout: true}
	notFound  = &net.DNSError{Err: "no such host", IsNotFound: true}
	misbehave = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
)

// quiet is a resolver's call that ends without an answer, when ctx ends or after this time.
func quietFor(ctx context.Context, d time.Duration) ([]netip.Addr, error) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return nil, silence
}

func TestLookups(t *testing.T) {
	t.Parallel()
	const s = time.Second
	at := func(after time.Duration, all ...string) func(context.Context, int) ([]netip.Addr, error) {
		return func(context.Context, int) ([]netip.Addr, error) {
			time.Sleep(after)
			return addrs(all...), nil
		}
	}
	fails := func(err error) func(context.Context, int) ([]netip.Addr, error) {
		return func(context.Context, int) ([]netip.Addr, error) { return nil, err }
	}
	silentUntil := func(call int, each time.Duration) func(context.Context, int) ([]netip.Addr, error) {
		return func(ctx context.Context, n int) ([]netip.Addr, error) {
			if n < call {
				return quietFor(ctx, each)
			}
			return addrs("192.0.2.1"), nil
		}
	}
	cutThen := func(ctx context.Context, _ int) ([]netip.Addr, error) {
		q := ctx.Value(questionKey{}).(*question)
		q.used, q.cut = true, true
		return addrs("192.0.2.1"), nil
	}
	complete := func(ctx context.Context, _ int) ([]netip.Addr, error) {
		ctx.Value(questionKey{}).(*question).used = true
		return addrs("192.0.2.1"), nil
	}
	tests := []struct {
		name         string
		first, whole func(context.Context, int) ([]netip.Addr, error)
		list         string
		err          error
		took         time.Duration
		calls        int
	}{
		{"at once", at(0, "192.0.2.1", "2001:db8::1"), nil, "192.0.2.1 2001:db8::1", io.EOF, 0, 1},
		{"the families alternate", at(0, "2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "::ffff:192.0.2.2"), nil, "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 2001:db8::3", io.EOF, 0, 1},
		{"slow", at(9*s, "192.0.2.1", "2001:db8::1"), nil, "192.0.2.1 2001:db8::1", io.EOF, 9 * s, 1},
		{"no such name", fails(notFound), nil, "", notFound, 0, 1},
		{"trouble", fails(misbehave), nil, "", misbehave, 0, 1},
		{"the fourth lookup succeeds", silentUntil(4, s), nil, "192.0.2.1", io.EOF, 4 * s, 4},
		{"a resolver that gives up at once is not asked in a tight loop", silentUntil(1000, 0), nil, "", silence, 10 * s, 5},
		{"silence", silentUntil(1000, 20*s), nil, "", silence, 10 * s, 1},
		{"one family is late, and arrives", cutThen, at(3*s, "2001:db8::1", "192.0.2.1"), "192.0.2.1 2001:db8::1", io.EOF, 3 * s, 1},
		{"one family is late, and does not arrive", cutThen, silentUntil(1000, 20*s), "192.0.2.1", io.EOF, 10 * s, 1},
		{"there is only one family", complete, nil, "192.0.2.1", io.EOF, 0, 1},
	}
	for _, tt := range tests {
		if tt.whole == nil {
			tt.whole = fails(notFound)
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*s)
			defer cancel()
			first := &scripted{play: tt.first}
			a, err := (&lookups{first: first, whole: &scripted{play: tt.whole}}).addressesOf("x.example:443")
			if err != nil {
				t.Fatal(err)
			}
			began, list := time.Now(), ""
			for {
				addr, problem := a.next(ctx)
				if err = problem; err != nil {
					break
				}
				list += " " + addr.Addr().String()
			}
			if list != tt.list && list != " "+tt.list || err != tt.err || time.Since(began) != tt.took || first.calls != tt.calls {
				t.Errorf("%s: %s, %v after %v and %d calls; want %s, %v after %v and %d", tt.name, list, err, time.Since(began), first.calls, tt.list, tt.err, tt.took, tt.calls)
			}
		})
	}
}

// A name with very many addresses, and an address that needs no lookup.
func TestAddressesAreBounded(t *testing.T) {
	t.Parallel()
	var many []netip.Addr
	for i := range 40 {
		many = append(many, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	resolver := &scripted{play: func(context.Context, int) ([]netip.Addr, error) { return many, nil }}
	for address, want := range map[string]int{"x.example:443": maxAddresses, "192.0.2.1:443": 1, "[2001:db8::1]:443": 1, "[::ffff:192.0.2.1]:443": 1} {
		a, err := (&lookups{first: resolver, whole: resolver}).addressesOf(address)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; err == nil; n++ {
			_, err = a.next(t.Context())
		}
		if n-1 != want || err != io.EOF {
			t.Errorf("%s: %d addresses, %v", address, n-1, err)
		}
	}
	for _, bad := range []string{"x.example", "x.example:", "x.example:65536", "x.example:http"} {
		if _, err := (&lookups{}).addressesOf(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
