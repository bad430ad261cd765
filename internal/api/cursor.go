package api

import (
	"encoding/base64"

	"github.com/hookferry/hookferry/internal/event"
)

// order is the order of a list, and a letter in its cursors.
type order byte

const (
	byCreation  order = 'c' // subscriptions, newest first
	byName      order = 'n' // subscriptions by name
	ofTenants   order = 't' // by id
	ofTypes     order = 'e' // event types by name
	ofMatches   order = 'm' // subscriptions that were asked for a match, by id
	ofKeys      order = 'k' // newest first
	cursorBegin       = 2   // the letter and the direction
)

// cursor is a position in a list, and the direction in which a page is read from there. Its text is
// opaque to callers: a letter for the order, one for the direction, the id, and the name.
type cursor struct {
	order  order
	isBack bool // the page ends before the position; otherwise it begins after it
	id     event.ID
	name   string
}

func (c cursor) isZero() bool { return c == cursor{} }

func (c cursor) String() string {
	direction := byte('>')
	if c.isBack {
		direction = '<'
	}
	raw := append([]byte{byte(c.order), direction}, c.id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, c.name...))
}

// maxCursor is longer than the text of any cursor.
const maxCursor = 512

// parseCursor returns the cursor of a list in the given order, or what is wrong with it. The cursors
// of earlier releases are ids.
func parseCursor(text string, o order) (c cursor, problem string) {
	if id, err := event.ParseID(text); err == nil && o == byCreation {
		return cursor{order: o, id: id}, ""
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxCursor || len(raw) < cursorBegin+len(c.id) || raw[1] != '>' && raw[1] != '<' {
		return cursor{}, "is not a cursor"
	}
	c = cursor{order: order(raw[0]), isBack: raw[1] == '<', name: string(raw[cursorBegin+len(c.id):])}
	copy(c.id[:], raw[cursorBegin:])
	hasID := o != ofTenants && o != ofTypes
	switch {
	case c.order != o:
		return cursor{}, "is of another list, or of another sort"
	case event.CheckText(c.name, maxCursor) != "" || hasID == c.id.IsZero() || !hasID && c.name == "":
		return cursor{}, "is not a cursor"
	}
	return c, ""
}
