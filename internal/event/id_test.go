package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hookferry/hookferry/internal/event"
)

// anyTime returns a random time in the years in which ids are created.
func anyTime() *rapid.Generator[time.Time] {
	last := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	return rapid.Map(rapid.Int64Range(0, last), time.UnixMicro)
}

func anyID() *rapid.Generator[event.ID] {
	return rapid.Custom(func(t *rapid.T) event.ID {
		return event.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
	})
}

func TestIDsSortByTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyTime().Draw(t, "a"), anyTime().Draw(t, "b")
		ma, mb := a.UnixMilli(), b.UnixMilli()
		first, second := event.NewID(a), event.NewID(b)
		if c := bytes.Compare(first[:], second[:]); ma < mb && c >= 0 || ma > mb && c <= 0 {
			t.Fatalf("ids of %v and %v compare as %d", a, b, c)
		}
		if c := strings.Compare(first.String(), second.String()); ma < mb && c >= 0 {
			t.Fatalf("the texts of ids of %v and %v compare as %d", a, b, c)
		}
		if got := first.Time().UnixMilli(); got != ma {
			t.Fatalf("the id of %v says %v", a, first.Time())
		}
	})
}

func TestFloorIDDividesTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		border, made := anyTime().Draw(t, "border"), anyTime().Draw(t, "made")
		if rapid.Bool().Draw(t, "close") {
			border = border.Add(3 * time.Millisecond) // no id has a time before 1970
			made = border.Add(time.Duration(rapid.Int64Range(-3, 3).Draw(t, "ms")) * time.Millisecond)
		}
		id, floor := event.NewID(made), event.FloorID(border)
		smaller := bytes.Compare(id[:], floor[:]) < 0
		if before := made.UnixMilli() < border.UnixMilli(); smaller != before {
			t.Fatalf("made before is %v, smaller is %v", before, smaller)
		}
	})
}

// If a clock is wrong or a time was never set, the id must not sort after all other ids of the next
// thousands of years.
func TestIDsBefore1970AreTheSmallest(t *testing.T) {
	now := event.NewID(time.Now())
	for _, at := range []time.Time{{}, time.Unix(-1, 0), time.UnixMilli(-1)} {
		id, floor := event.NewID(at), event.FloorID(at)
		if bytes.Compare(id[:], now[:]) >= 0 {
			t.Errorf("the id of %v is %v, larger than today's", at, id)
		}
		if bytes.Compare(floor[:], now[:]) >= 0 {
			t.Errorf("the floor of %v is %v, larger than today's ids", at, floor)
		}
	}
}

func TestIDsAreVersion7AndUnique(t *testing.T) {
	at := time.Now()
	seen := make(map[event.ID]bool)
	for range 10_000 {
		id := event.NewID(at)
		if text := id.String(); text[14] != '7' || !strings.ContainsRune("89ab", rune(text[19])) {
			t.Fatalf("%s is not a UUIDv7", text)
		}
		if seen[id] {
			t.Fatalf("%v was created twice", id)
		}
		seen[id] = true
	}
}

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := anyID().Draw(t, "id")
		for _, text := range []string{id.String(), strings.ToUpper(id.String())} {
			got, err := event.ParseID(text)
			if err != nil || got != id {
				t.Fatalf("%s was read as %v, %v", text, got, err)
			}
		}
		written, err := json.Marshal(id)
		if err != nil || string(written) != `"`+id.String()+`"` {
			t.Fatalf("%v was written as %s, %v", id, written, err)
		}
		var read event.ID
		if err := json.Unmarshal(written, &read); err != nil || read != id {
			t.Fatalf("%s was read as %v, %v", written, read, err)
		}
		if id.IsZero() != (id == event.ID{}) {
			t.Fatalf("%v is zero: %v", id, id.IsZero())
		}
	})
}

func TestParseIDRefuses(t *testing.T) {
	const good = "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"
	if _, err := event.ParseID(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ reason, text string }{
		{"nothing", ""},
		{"a word", "latest"},
		{"braces", "{" + good + "}"},
		{"a URN", "urn:uuid:" + good},
		{"no dashes", strings.ReplaceAll(good, "-", "")},
		{"a dash in the wrong place", "0190b2c45-d6e-7f80-9a1b-2c3d4e5f6071"},
		{"dashes only in wrong places, of the right length", "0190b2c45d6e7f809a1b2c3d4e5f6071----"},
		{"another dash", strings.ReplaceAll(good, "-", "_")},
		{"a dash more", "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f-071"},
		{"too short", good[:35]},
		{"too long", good + "0"},
		{"space before", " " + good[:35]},
		{"space after", good[:35] + " "},
		{"a letter that is not a hexadecimal digit", "g" + good[1:]},
		{"a sign", "+" + good[1:]},
		{"a prefix", "0x" + good[2:]},
		{"a NUL byte", "\x00" + good[1:]},
		{"full-width digits", "０" + good[3:]},
		{"a newline at the end", good + "\n"},
		{"a path", "../" + good[3:]},
		{"a quote", good[:35] + "'"},
	}
	for _, tt := range tests {
		id, err := event.ParseID(tt.text)
		if !errors.Is(err, event.ErrBadID) || id != (event.ID{}) {
			t.Errorf("%s: %q gave %v, %v; want ErrBadID and no id", tt.reason, tt.text, id, err)
		}
	}
}

func TestParseIDNeedsEachDash(t *testing.T) {
	const good = "0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071"
	for i := range good {
		other := byte('-')
		if good[i] == '-' {
			other = '0'
		}
		if id, err := event.ParseID(good[:i] + string(other) + good[i+1:]); err == nil {
			t.Errorf("with %q at %d it was read as %v", other, i, id)
		}
	}
}

func TestUnmarshalKeepsTheIDWhenItFails(t *testing.T) {
	id := event.NewID(time.Now())
	want := id
	if err := id.UnmarshalText([]byte("nonsense")); !errors.Is(err, event.ErrBadID) || id != want {
		t.Errorf("got %v, %v", id, err)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071")
	f.Add("{0190b2c4-5d6e-7f80-9a1b-2c3d4e5f607}")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := event.ParseID(text)
		if err == nil && id.String() != strings.ToLower(text) {
			t.Errorf("%q was read as %v", text, id)
		}
		if err != nil && !errors.Is(err, event.ErrBadID) {
			t.Errorf("%q gave %v, want ErrBadID", text, err)
		}
	})
}

// Other programs that derive ids must produce the same golden vectors. The SHA-256 of each pair of
// ids was computed with another program.
func TestDeliveryID(t *testing.T) {
	for _, tt := range []struct{ event, subscription, want string }{
		{"0190b2c4-5d6e-7f80-9a1b-2c3d4e5f6071", "0190b2c4-5d6e-7f81-8a1b-2c3d4e5f6072", "0190b2c4-5d6e-7f80-96c1-444e0d7c9fa9"},
		{"01a21f9f-a7e0-7c0f-ba87-5aa7878d13f8", "01a21f9f-a7cc-7857-94b3-49ee1cfd98de", "01a21f9f-a7e0-7c0f-8c4e-ad5e9aae8bac"},
	} {
		e, s := parsed(t, tt.event), parsed(t, tt.subscription)
		if got := event.DeliveryID(e, s).String(); got != tt.want {
			t.Errorf("the delivery of %s to %s has the id %s, want %s", tt.event, tt.subscription, got, tt.want)
		}
	}
}

func parsed(t *testing.T, text string) event.ID {
	t.Helper()
	id, err := event.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDeliveryIDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := anyTime().Draw(t, "time")
		e, other := event.NewID(at), event.NewID(at.Add(time.Second))
		a, b := anyID().Draw(t, "subscription"), anyID().Draw(t, "another")
		id := event.DeliveryID(e, a)
		if text := id.String(); text[14] != '7' || !strings.ContainsRune("89ab", rune(text[19])) || !id.Time().Equal(e.Time()) {
			t.Fatalf("%s is not a UUIDv7 of the moment of %s", text, e)
		}
		if (id == event.DeliveryID(e, b)) != (a == b) || id == event.DeliveryID(other, a) {
			t.Fatalf("another delivery has the same id %s", id)
		}
		first, last := e.Deliveries()
		if bytes.Compare(first[:], id[:]) > 0 || bytes.Compare(id[:], last[:]) > 0 {
			t.Fatalf("%s is not between %s and %s", id, first, last)
		}
		if foreign := event.DeliveryID(other, a); bytes.Compare(foreign[:], last[:]) <= 0 {
			t.Fatalf("%s, of a later event, is not after %s", foreign, last)
		}
	})
}
