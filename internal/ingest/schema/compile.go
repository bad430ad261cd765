package schema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hookferry/hookferry/internal/event"
)

// location is the address of a schema, which its references are relative to, and checkLocation that
// of its opposite. Nothing is fetched.
const (
	location      = "https://schema.invalid/"
	checkLocation = "https://check.invalid/"
)

func bytesReader(text []byte) io.Reader { return bytes.NewReader(text) }

// refuse is the loader of other documents.
type refuse struct{}

func (refuse) Load(string) (any, error) { return nil, errRemote }

var (
	errRemote  = errors.New("other documents are never fetched")
	errTooMuch = errors.New("too many steps")
	errWeight  = fmt.Errorf("the schema's regular expressions are too large: at most %d instructions together are allowed", MaxRegexpWeight)
)

// newInstance compiles a document.
func newInstance(document any) (i *instance, err error) {
	defer func() {
		if r := recover(); r != nil { // a fault of the library must not end the process
			i, err = nil, fmt.Errorf("the schema can't be compiled: %v", r)
		}
	}()
	i = &instance{}
	var all []*jsonschema.Schema
	c := jsonschema.NewCompiler()
	c.UseLoader(refuse{})
	c.UseRegexpEngine(regexps())
	c.RegisterVocabulary(collect(&all))
	c.AssertVocabs()
	if err := c.AddResource(location, document); err != nil {
		return nil, err
	}
	if err := c.AddResource(checkLocation, map[string]any{"not": map[string]any{"$ref": location}}); err != nil {
		return nil, err
	}
	if i.root, err = c.Compile(location); err != nil {
		return nil, err
	}
	if i.check, err = c.Compile(checkLocation); err != nil {
		return nil, err
	}
	for _, s := range all {
		i.count(s)
	}
	return i, nil
}

// collect returns a vocabulary without keywords. The compiler calls it for each schema, so it lists
// them.
func collect(all *[]*jsonschema.Schema) *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL: "urn:hookferry:all",
		Compile: func(c *jsonschema.CompilerContext, _ map[string]any) (jsonschema.SchemaExt, error) {
			*all = append(*all, c.Enqueue(nil)) // the schema itself
			return nil, nil
		},
	}
}

// count makes a schema count its steps. It takes the place of "format", which is checked before all
// keywords that lead to other schemas.
func (i *instance) count(s *jsonschema.Schema) {
	c := costOf(s)
	s.Format = &jsonschema.Format{Name: "steps", Validate: func(v any) error {
		switch v := v.(type) {
		case string:
			i.spend(c.once + len(v)*c.per64Bytes/64)
		case map[string]any:
			i.spend(c.once + len(v)*c.perName)
		case []any:
			i.spend(c.once + len(v)) // the library may note which entries were looked at
		default:
			i.spend(c.once)
		}
		return nil
	}}
}

// cost is how many steps a schema takes for one value, besides those of other schemas.
type cost struct{ once, perName, per64Bytes int }

func costOf(s *jsonschema.Schema) cost {
	c := cost{once: 1 + len(s.AllOf) + len(s.AnyOf) + len(s.OneOf) + len(s.Required), perName: 1, per64Bytes: 1}
	if s.Enum != nil {
		c.once += len(s.Enum.Values)
	}
	if s.DynamicRef != nil || s.RecursiveRef != nil {
		c.once += 20 // to find what it refers to
	}
	if p, ok := s.Pattern.(*expression); ok {
		c.per64Bytes += p.weight
	}
	for p := range s.PatternProperties {
		c.perName += p.(*expression).weight
	}
	return c
}

func (i *instance) spend(steps int) {
	if i.steps -= steps; i.steps < 0 {
		panic(errTooMuch)
	}
}

// expression is a regular expression with its weight: about how many instructions it has.
type expression struct {
	*regexp.Regexp
	weight int
}

// regexps returns an engine that limits the weight of all expressions of a schema together. The
// library compiles some of them twice.
func regexps() jsonschema.RegexpEngine {
	known, left := map[string]*expression{}, MaxRegexpWeight
	return func(pattern string) (jsonschema.Regexp, error) {
		if e := known[pattern]; e != nil {
			return e, nil
		}
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, err
		}
		weight := weigh(parsed)
		if left -= weight; left < 0 {
			return nil, errWeight
		}
		compiled, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		known[pattern] = &expression{compiled, weight}
		return known[pattern], nil
	}
}

// weigh returns about how many instructions an expression compiles to, and never fewer. It counts
// the copies that a repetition makes without making them.
func weigh(re *syntax.Regexp) int {
	weight := 1 + len(re.Rune)/32
	if re.Op == syntax.OpLiteral {
		weight = len(re.Rune)
	}
	for _, sub := range re.Sub {
		weight += weigh(sub)
	}
	if re.Op == syntax.OpRepeat {
		weight *= max(re.Min, re.Max, 1)
	}
	return weight
}

// parseSchema reads the text of a schema and checks its limits.
func parseSchema(text []byte) (document any, err error) {
	if !utf8.Valid(text) {
		return nil, event.Invalid("schema", "is not valid UTF-8")
	}
	if err := checkNames(text); err != nil {
		return nil, err
	}
	if err := unmarshal(text, &document); err != nil {
		return nil, event.Invalid("schema", "is not valid JSON: "+err.Error())
	}
	switch document.(type) {
	case map[string]any, bool:
	default:
		return nil, event.Invalid("schema", `must be a JSON object like {"type": "object"}, or true or false`)
	}
	c := limits{}
	return document, c.check(document, "", 0)
}

// limits counts what has a limit in a schema.
type limits struct{ schemas int }

func (c *limits) check(v any, pointer string, depth int) error {
	if depth > MaxDepth {
		return at("schema", pointer, fmt.Sprintf("is nested too deeply; at most %d levels are allowed", MaxDepth))
	}
	switch v.(type) {
	case map[string]any, bool:
		if c.schemas++; c.schemas > MaxSchemas {
			return at("schema", pointer, fmt.Sprintf("is one object or boolean too many; at most %d are allowed", MaxSchemas))
		}
	}
	return eachChild(v, pointer, func(child any, pointer string) error {
		if problem := checkNumber(child); problem != "" {
			return at("schema", pointer, problem)
		}
		return c.check(child, pointer, depth+1)
	})
}
