package redis

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

func drawID(t *rapid.T, name string) (id event.ID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, name))
	return id
}

func drawTime(t *rapid.T, name string) time.Time {
	return time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, name)).UTC()
}

// drawClaim returns a delivery as ingest stores one: with any event, not attempted yet, and due
// since it was accepted.
func drawClaim(t *rapid.T) event.Claimed {
	at := drawTime(t, "created")
	e := event.Event{
		TenantNo: rapid.Int64Min(0).Draw(t, "tenant"), SingleAttempt: rapid.Bool().Draw(t, "single attempt"),
		ID: drawID(t, "event"), Type: rapid.String().Draw(t, "type"), ContentType: rapid.String().Draw(t, "content type"),
		Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"), CreatedAt: at,
	}
	d := event.Delivery{
		ID: drawID(t, "delivery"), EventID: e.ID, SubscriptionID: drawID(t, "subscription"),
		LeaseOwner: rapid.String().Draw(t, "owner"), DueAt: at, CreatedAt: at,
		LeasedUntil: drawTime(t, "leased until"),
	}
	return event.Claimed{Delivery: d, Event: e}
}

func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawClaim(t)
		sent := drawTime(t, "sent")
		got, gotSent, err := decode(string(encode(want, sent)))
		if err != nil || !gotSent.Equal(sent) {
			t.Fatalf("sent at %v (%v), want %v", gotSent, err, sent)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// An entry that is truncated before the payload must be recognized. Redis itself never truncates
// one.
func TestEntryCutShort(t *testing.T) {
	const payload = 20
	for _, tenant := range []int64{0, 7} {
		c := claim(event.ID{1}, payload)
		c.Event.TenantNo = tenant
		whole := string(encode(c, time.Now()))
		for n := range len(whole) - payload {
			if c, sent, err := decode(whole[:n]); !errors.Is(err, errNoEntry) || !sent.IsZero() || !cmp.Equal(c, event.Claimed{}) {
				t.Errorf("%d of %d bytes are %+v, %v (%v)", n, len(whole), c, sent, err)
			}
		}
	}
}

func TestEntryOfAnotherVersion(t *testing.T) {
	whole := encode(claim(event.ID{1}, 20), time.Now())
	for version := range 256 {
		whole[0] = byte(version)
		if _, _, err := decode(string(whole)); (err == nil) != (version == plainVersion || version == tenantVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// What release 0.1.0 can read has the version that it knows.
func TestEntryVersion(t *testing.T) {
	for want, edits := range map[byte][]func(*event.Event){
		plainVersion: {func(*event.Event) {}, func(e *event.Event) { e.Attributes = &event.Attributes{Channels: []string{"eu"}} }},
		tenantVersion: {
			func(e *event.Event) { e.TenantNo = 1 }, func(e *event.Event) { e.TenantNo = 1 << 40 },
			func(e *event.Event) { e.SingleAttempt = true }, func(e *event.Event) { e.TenantNo, e.SingleAttempt = 300, true },
		},
	} {
		for i, edit := range edits {
			c := claim(event.ID{1}, 20)
			edit(&c.Event)
			text := encode(c, time.Now())
			got, _, err := decode(string(text))
			if text[0] != want || err != nil || got.Event.TenantNo != c.Event.TenantNo || got.Event.SingleAttempt != c.Event.SingleAttempt {
				t.Errorf("version %d, case %d: version %d, %+v (%v)", want, i, text[0], got.Event, err)
			}
		}
	}
}

// beforeTexts is the length of an entry before its first text.
const beforeTexts = 1 + 3*16 + 3*8

func FuzzDecode(f *testing.F) {
	whole := encode(claim(event.ID{1}, 20), time.Now())
	f.Add(string(whole))
	published := claim(event.ID{1}, 20)
	published.Event.TenantNo, published.Event.SingleAttempt = 300, true
	f.Add(string(encode(published, time.Now())))
	f.Add("")
	f.Add(string(whole[:len(whole)/2]))
	f.Add(string(whole[:beforeTexts]) + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f")         // a text that is longer than memory
	f.Add(string(whole[:beforeTexts]) + strings.Repeat("\xff", 20))                     // a length that does not end
	f.Add(string(whole[:beforeTexts]) + "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01rest") // a length that is too large
	f.Fuzz(func(t *testing.T, text string) {
		c, sent, err := decode(text)
		if err != nil {
			if !cmp.Equal(c, event.Claimed{}) || !sent.IsZero() {
				t.Errorf("together with the error %v, it returned %+v and %v", err, c, sent)
			}
			return
		}
		if size := len(c.Delivery.LeaseOwner) + len(c.Event.Type) + len(c.Event.ContentType) + len(c.Event.Payload); size > len(text) {
			t.Errorf("%d bytes became %d", len(text), size)
		}
		if again, _, err := decode(string(encode(c, sent))); err != nil || !cmp.Equal(c, again) || !bytes.Equal(c.Event.Payload, again.Event.Payload) {
			t.Errorf("encoded and decoded again, it is %+v (%v), was %+v", again, err, c)
		}
	})
}

// The cost of decoding garbage must be limited by its size: a length in it must not be trusted.
func TestDecodeBelievesNoLength(t *testing.T) {
	text := string(encode(claim(event.ID{1}, 0), time.Now())[:beforeTexts]) + "\xff\xff\xff\x7f" // 256 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := decode(text); err == nil {
		t.Error("it was decoded")
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes of garbage took %d bytes of memory", len(text), took)
	}
}
