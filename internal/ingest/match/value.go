package match

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a value in a document. The zero value is absent.
type value struct {
	doc *document
	at  uint32
}

// root returns the document's value. A nil document has none.
func (d *document) root() value { return value{doc: d} }

func (v value) node() node  { return v.doc.nodes[v.at] }
func (v value) raw() []byte { n := v.node(); return v.doc.text[n.start:n.end] }
func (v value) size() int   { n := v.node(); return int(n.end - n.start) }

// kind returns one of { [ " 0 t f n, the character with which a value of that kind begins, or 0 if
// the value is absent.
func (v value) kind() byte {
	if v.doc == nil {
		return 0
	}
	if first := v.doc.text[v.node().start]; first != '-' && (first < '0' || first > '9') {
		return first
	}
	return '0'
}

// text decodes a JSON string. An unpaired surrogate becomes U+FFFD.
func (v value) text() []byte {
	raw := v.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // the error is about the surrogate
	return text
}

// isText reports whether a JSON string decodes to this text. It decodes the string only if it is
// longer than the text and contains an escape.
func (v value) isText(text string) bool {
	n := v.node()
	inner := v.doc.text[n.start+1 : n.end-1]
	switch {
	case len(inner) < len(text):
		return false
	case len(inner) == len(text):
		return string(inner) == text && bytes.IndexByte(inner, '\\') < 0
	}
	return bytes.IndexByte(inner, '\\') >= 0 && string(v.text()) == text
}

// elements returns the values of an array.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		for i, end := v.at+1, v.node().next; i < end; i = v.doc.nodes[i].next {
			if !yield(value{v.doc, i}) {
				return
			}
		}
	}
}

// members returns the names and values of an object, in order, with duplicates.
func (v value) members() iter.Seq2[value, value] {
	return func(yield func(name, member value) bool) {
		for i, end := v.at+1, v.node().next; i < end; i = v.doc.nodes[i+1].next {
			if !yield(value{v.doc, i}, value{v.doc, i + 1}) {
				return
			}
		}
	}
}

// largeObject is the number of members from which an object gets a map of them.
const largeObject = 64

// member returns the member with this name, or the last one if there are several, as most parsers
// do. It is absent if there is none or v is not an object.
func (v value) member(name string) value {
	if v.kind() != '{' {
		return value{}
	}
	if byName := v.doc.large[v.at]; byName != nil {
		if at, ok := byName[name]; ok {
			return value{v.doc, at}.open()
		}
		return value{}
	}
	found, count := value{}, 0
	for n, member := range v.members() {
		count++
		if n.isText(name) {
			found = member
		}
	}
	if count >= largeObject {
		v.index(count)
	}
	return found.open()
}

// open returns the value, or if a shallow document skipped it, the root of its own document.
func (v value) open() value {
	if kind := v.kind(); v.doc == nil || !v.doc.shallow || kind != '{' && kind != '[' {
		return v
	}
	inner := v.doc.opened[v.at]
	if inner == nil {
		inner, _ = parse(v.raw(), false, lenient...) // skipping it has checked it
		if v.doc.opened == nil {
			v.doc.opened = map[uint32]*document{}
		}
		v.doc.opened[v.at] = inner
	}
	return inner.root()
}

// indexAll creates the maps of all large objects now, so that goroutines can share the document.
func (d *document) indexAll() {
	for at := range d.nodes {
		if v := (value{d, uint32(at)}); v.kind() == '{' {
			v.member("")
		}
	}
}

func (v value) index(count int) {
	byName := make(map[string]uint32, count)
	for n, member := range v.members() {
		byName[string(n.text())] = member.at
	}
	if v.doc.large == nil {
		v.doc.large = map[uint32]map[string]uint32{}
	}
	v.doc.large[v.at] = byName
}

// equal reports whether two values are the same. Numbers are compared by value, and the order
// of an object's members does not matter.
func equal(a, b value) bool {
	kind := a.kind()
	if kind != b.kind() {
		return false
	}
	switch kind {
	case '"':
		return bytes.Equal(a.text(), b.text())
	case '0':
		return compareNumbers(a.raw(), b.raw()) == 0
	case '[':
		return equalArrays(a, b)
	case '{':
		return includes(a, b) && includes(b, a)
	}
	return true // null, true or false
}

func equalArrays(a, b value) bool {
	i, j := a.at+1, b.at+1
	for i < a.node().next && j < b.node().next {
		if !equal(value{a.doc, i}, value{b.doc, j}) {
			return false
		}
		i, j = a.doc.nodes[i].next, b.doc.nodes[j].next
	}
	return i == a.node().next && j == b.node().next
}

// includes reports whether a has each member of b, with an equal value.
func includes(a, b value) bool {
	for n := range b.members() {
		name := string(n.text())
		if x := a.member(name); x.doc == nil || !equal(x, b.member(name)) {
			return false
		}
	}
	return true
}
