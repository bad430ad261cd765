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

// document is one JSON value, cut into tokens and not decoded: a string or a number is
// decoded when a condition looks at it. An event's document is made at most once, and all
// filters read it.
type document struct {
	text  []byte
	nodes []node
	large map[uint32]map[string]uint32 // the members of the objects that have many, by the object's node

	// In a shallow document the arrays and objects that are members of the top object are
	// skipped: each is a document of its own, made when it is asked for.
	shallow bool
	opened  map[uint32]*document
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

// lenient takes what is valid JSON: names that are given twice, and "\ud800".
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

type tokenizer struct {
	in   bytes.Buffer
	json jsontext.Decoder
	open []int // the nodes of the arrays and objects around the next token
}

var tokenizers = sync.Pool{New: func() any { return new(tokenizer) }}

// parse reads one JSON value. The options say how strict it is.
func parse(text []byte, shallow bool, options ...jsontext.Options) (*document, error) {
	switch {
	case uint64(len(text)) > math.MaxUint32:
		return nil, errTooLarge
	case !utf8.Valid(text):
		return nil, errNotUTF8
	}
	t := tokenizers.Get().(*tokenizer)
	defer t.free()
	t.in = *bytes.NewBuffer(text) // the decoder reads a Buffer where it is, and does not change it
	t.json.Reset(&t.in, options...)
	d := &document{text: text, shallow: shallow, nodes: make([]node, 0, len(text)/32+8)}
	return d, t.read(d)
}

func (t *tokenizer) free() {
	t.in, t.open = bytes.Buffer{}, t.open[:0]
	t.json.Reset(&t.in) // lets go of the text
	tokenizers.Put(t)
}

// read appends all nodes of a document.
func (t *tokenizer) read(d *document) error {
	for end := 0; ; {
		start := end
		kind, err := t.next(d)
		if errors.Is(err, io.EOF) && len(d.nodes) > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		end = int(t.json.InputOffset())
		if kind == '}' || kind == ']' {
			last := len(t.open) - 1
			d.nodes[t.open[last]].end, d.nodes[t.open[last]].next = uint32(end), uint32(len(d.nodes))
			t.open = t.open[:last]
			continue
		}
		if len(t.open) == 0 && len(d.nodes) > 0 {
			return errMore
		}
		if kind == '{' || kind == '[' {
			t.open = append(t.open, len(d.nodes))
		}
		d.nodes = append(d.nodes, node{start: uint32(valueStart(d.text, start)), end: uint32(end), next: uint32(len(d.nodes) + 1)})
	}
}

// skipped is the kind of an array or an object that next has skipped.
const skipped jsontext.Kind = 's'

// next reads one token, or skips what a shallow document does not need.
func (t *tokenizer) next(d *document) (jsontext.Kind, error) {
	if d.shallow && len(t.open) == 1 && d.text[d.nodes[0].start] == '{' {
		if kind := t.json.PeekKind(); kind == '{' || kind == '[' {
			return skipped, t.json.SkipValue()
		}
	}
	token, err := t.json.ReadToken()
	return token.Kind(), err
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

// open returns the value itself, or the document that was skipped in its place.
func (v value) open() value {
	if kind := v.kind(); v.doc == nil || !v.doc.shallow || kind != '{' && kind != '[' {
		return v
	}
	inner := v.doc.opened[v.at]
	if inner == nil {
		inner, _ = parse(v.raw(), false, lenient...) // it was skipped, so it is valid
		if v.doc.opened == nil {
			v.doc.opened = map[uint32]*document{}
		}
		v.doc.opened[v.at] = inner
	}
	return inner.root()
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
