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

// drawClaim makes a delivery as ingest stores one: with any event, not attempted yet, and due
// since it was accepted.
func drawClaim(t *rapid.T) event.Claimed {
	at := drawTime(t, "created")
	e := event.Event{
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
	whole := string(encode(claim(event.ID{1}, payload), time.Now()))
	for n := range len(whole) - payload {
		if c, sent, err := decode(whole[:n]); !errors.Is(err, errNoEntry) || !sent.IsZero() || !cmp.Equal(c, event.Claimed{}) {
			t.Errorf("%d of %d bytes are %+v, %v (%v)", n, len(whole), c, sent, err)
		}
	}
}

func TestEntryOfAnotherVersion(t *testing.T) {
	whole := encode(claim(event.ID{1}, 20), time.Now())
	for version := range 256 {
		whole[0] = byte(version)
		if _, _, err := decode(string(whole)); (err == nil) != (version == entryVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// beforeTexts is the length of an entry before its first text.
const beforeTexts = 1 + 3*16 + 3*8

func FuzzDecode(f *testing.F) {
	whole := encode(claim(event.ID{1}, 20), time.Now())
	f.Add(string(whole))
	f.Add("")
	f.Add(string(whole[:len(whole)/2]))
	f.Add(string(whole[:beforeTexts]) + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f")         // a text that is longer than memory
	f.Add(string(whole[:beforeTexts]) + strings.Repeat("\xff", 20))                     // a length without an end
	f.Add(string(whole[:beforeTexts]) + "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01rest") // past what a length may be
	f.Fuzz(func(t *testing.T, text string) {
		c, sent, err := decode(text)
		if err != nil {
			if !cmp.Equal(c, event.Claimed{}) || !sent.IsZero() {
				t.Errorf("with %v came %+v and %v", err, c, sent)
			}
			return
		}
		if size := len(c.Delivery.LeaseOwner) + len(c.Event.Type) + len(c.Event.ContentType) + len(c.Event.Payload); size > len(text) {
			t.Errorf("%d bytes became %d", len(text), size)
		}
		if again, _, err := decode(string(encode(c, sent))); err != nil || !cmp.Equal(c, again) || !bytes.Equal(c.Event.Payload, again.Event.Payload) {
			t.Errorf("written again it is %+v (%v), was %+v", again, err, c)
		}
	})
}

// The cost of decoding garbage must be limited by its size: a length in it must not be trusted.
func TestDecodeBelievesNoLength(t *testing.T) {
	text := string(encode(claim(event.ID{1}, 0), time.Now())[:beforeTexts]) + "\xff\xff\xff\x7f" // 256 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := decode(text); err == nil {
		t.Error("it was understood")
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes of rubbish took %d bytes of memory", len(text), took)
	}
}
