package match

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// document is one JSON value, cut into tokens and not decoded: a text or a number is
// decoded when a condition looks at it. An event's document is made at most once, and all
// filters read it.
type document struct {
	text  []byte
	nodes []node
	large map[uint32]map[string]uint32 // the members of the objects that have many, by the object's node
}

// node is a value, or a member's name, which stands before the member's value.
type node struct {
	start, end uint32 // where it lies in the text
	next       uint32 // the first node that is not in it
}

var (
	errMore     = errors.New("there is more after the first value")
	errTooLarge = errors.New("it is larger than 4 GiB")
	errNotUTF8  = errors.New("it is not valid UTF-8")
)

type tokenizer struct {
	in   bytes.Reader
	json jsontext.Decoder
}

var tokenizers = sync.Pool{New: func() any { return new(tokenizer) }}

// parse reads one JSON value. The options say how strict it is.
func parse(text []byte, options ...jsontext.Options) (*document, error) {
	switch {
	case uint64(len(text)) > math.MaxUint32:
		return nil, errTooLarge
	case !utf8.Valid(text):
		return nil, errNotUTF8
	}
	t := tokenizers.Get().(*tokenizer)
	defer t.free()
	t.in.Reset(text)
	t.json.Reset(&t.in, options...)
	return t.read(text)
}

func (t *tokenizer) free() {
	t.in.Reset(nil)
	tokenizers.Put(t)
}

func (t *tokenizer) read(text []byte) (*document, error) {
	d := &document{text: text, nodes: make([]node, 0, len(text)/16+4)}
	var open []int // the arrays and objects around the next token
	for at := 0; ; {
		token, err := t.json.ReadToken()
		if errors.Is(err, io.EOF) && len(d.nodes) > 0 {
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		kind, end := token.Kind(), int(t.json.InputOffset())
		if kind == '}' || kind == ']' {
			last := len(open) - 1
			d.nodes[open[last]].end, d.nodes[open[last]].next = uint32(end), uint32(len(d.nodes))
			open, at = open[:last], end
			continue
		}
		if len(open) == 0 && len(d.nodes) > 0 {
			return nil, errMore
		}
		if kind == '{' || kind == '[' {
			open = append(open, len(d.nodes))
		}
		d.nodes = append(d.nodes, node{start: uint32(valueStart(text, at)), end: uint32(end), next: uint32(len(d.nodes) + 1)})
		at = end
	}
}

// valueStart skips what stands between two tokens.
func valueStart(text []byte, at int) int {
	for text[at] == ' ' || text[at] == ',' || text[at] == ':' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r' {
		at++
	}
	return at
}

// value is one value of a document. The zero value is absent.
type value struct {
	doc *document
	at  uint32
}

// root returns the document's value. A nil document has none.
func (d *document) root() value { return value{doc: d} }

func (v value) node() node  { return v.doc.nodes[v.at] }
func (v value) raw() []byte { n := v.node(); return v.doc.text[n.start:n.end] }
func (v value) size() int   { n := v.node(); return int(n.end - n.start) }

// kind returns one of { [ " 0 t f n, by which a value of that kind begins, or 0 for an
// absent one.
func (v value) kind() byte {
	if v.doc == nil {
		return 0
	}
	if first := v.doc.text[v.node().start]; first != '-' && (first < '0' || first > '9') {
		return first
	}
	return '0'
}

// text decodes a JSON string. A surrogate that has no other half becomes U+FFFD.
func (v value) text() []byte {
	raw := v.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, raw) // the error is about the surrogate
	return text
}

// isText reports whether a JSON string is this text, and decodes it only if it must: what
// has an escape in it is longer than its text.
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

// elements are the values of an array.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		for i, end := v.at+1, v.node().next; i < end; i = v.doc.nodes[i].next {
			if !yield(value{v.doc, i}) {
				return
			}
		}
	}
}

// members are the names and values of an object, in order and with duplicates.
func (v value) members() iter.Seq2[value, value] {
	return func(yield func(name, member value) bool) {
		for i, end := v.at+1, v.node().next; i < end; i = v.doc.nodes[i+1].next {
			if !yield(value{v.doc, i}, value{v.doc, i + 1}) {
				return
			}
		}
	}
}

// largeObject is how many members an object has for which a map of them is kept.
const largeObject = 64

// member returns the member of this name, the last one if there are several, as most
// parsers do. It is absent if there is none, or v is no object.
func (v value) member(name string) (found value) {
	if v.kind() != '{' {
		return value{}
	}
	if byName := v.doc.large[v.at]; byName != nil {
		if at, ok := byName[name]; ok {
			found = value{v.doc, at}
		}
		return found
	}
	count := 0
	for n, member := range v.members() {
		count++
		if n.isText(name) {
			found = member
		}
	}
	if count >= largeObject {
		v.index(count)
	}
	return found
}

// indexAll keeps a map of each object that has many members, so that the document does not
// change any more.
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

// equal reports whether two values are the same JSON: numbers by what they amount to,
// objects without regard to the order of their members.
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

// includes reports whether each member of b is one of a, with the same value.
func includes(a, b value) bool {
	for n := range b.members() {
		name := string(n.text())
		if x := a.member(name); x.doc == nil || !equal(x, b.member(name)) {
			return false
		}
	}
	return true
}
