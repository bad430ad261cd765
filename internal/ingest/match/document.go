package match

import (
	"bytes"
	"errors"
	"io"
	"math"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a tokenized JSON value. Strings and numbers are decoded when they are compared.
// An event's document is created at most once, for all filters.
type document struct {
	text  []byte
	nodes []node
	large map[uint32]map[string]uint32 // members by name, for the nodes of large objects

	// In a shallow document, the arrays and objects in the top-level object are skipped. Each is a
	// document of its own, which open creates when it is needed.
	shallow bool
	opened  map[uint32]*document
}

// node is a value or the name of a member. A name comes before its member's value.
type node struct {
	start, end uint32 // its bytes in the text
	next       uint32 // the first node after it and everything in it
}

var (
	errMore     = errors.New("there is more text after the first value")
	errTooLarge = errors.New("it is larger than 4 GiB")
	errNotUTF8  = errors.New("it is not valid UTF-8")
)

// lenient accepts all valid JSON, including duplicate names and "\ud800".
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

type tokenizer struct {
	in   bytes.Buffer
	json jsontext.Decoder
	open []int // the nodes of the arrays and objects around the next token
}

var tokenizers = sync.Pool{New: func() any { return new(tokenizer) }}

// parse tokenizes one JSON value. The options decide how strict it is.
func parse(text []byte, shallow bool, options ...jsontext.Options) (*document, error) {
	switch {
	case uint64(len(text)) > math.MaxUint32:
		return nil, errTooLarge
	case !utf8.Valid(text):
		return nil, errNotUTF8
	}
	t := tokenizers.Get().(*tokenizer)
	defer t.free()
	t.in = *bytes.NewBuffer(text) // the decoder reads a bytes.Buffer in place and does not change it
	t.json.Reset(&t.in, options...)
	d := &document{text: text, shallow: shallow, nodes: make([]node, 0, len(text)/32+8)}
	return d, t.read(d)
}

func (t *tokenizer) free() {
	t.in, t.open = bytes.Buffer{}, t.open[:0]
	t.json.Reset(&t.in) // so that the text can be garbage collected
	tokenizers.Put(t)
}

// read appends the nodes of a document.
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

// skipped is what next returns for an array or an object that it skipped.
const skipped jsontext.Kind = 's'

// next reads a token, or skips an array or object of a shallow document.
func (t *tokenizer) next(d *document) (jsontext.Kind, error) {
	if d.shallow && len(t.open) == 1 && d.text[d.nodes[0].start] == '{' {
		if kind := t.json.PeekKind(); kind == '{' || kind == '[' {
			return skipped, t.json.SkipValue()
		}
	}
	token, err := t.json.ReadToken()
	return token.Kind(), err
}

// valueStart skips white space and separators.
func valueStart(text []byte, at int) int {
	for text[at] == ' ' || text[at] == ',' || text[at] == ':' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r' {
		at++
	}
	return at
}
