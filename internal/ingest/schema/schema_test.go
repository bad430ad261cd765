package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/schema"
)

func compile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(text))
	if err != nil {
		t.Fatalf("compile %.200s: %v", text, err)
	}
	return s
}

// place returns the first field of an error, and its message.
func place(err error) (field, message string) {
	var invalid *event.InvalidError
	if !errors.As(err, &invalid) {
		return "", fmt.Sprint(err)
	}
	return invalid.Fields[0].Field, invalid.Fields[0].Message
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		schema string
		data   string
		field  string // "" means that it fits
		words  string
	}{
		{"anything", `true`, `null`, "", ""},
		{"anything", `{}`, `{"a":[1]}`, "", ""},
		{"nothing", `false`, `1`, "data", "no value is allowed"},
		{"the type", `{"type":"object"}`, `[]`, "data", "got array, want object"},
		{"a member", `{"properties":{"a":{"type":"string"}}}`, `{"a":1}`, "data/a", "got number, want string (schema/properties/a/type)"},
		{"an element", `{"items":{"items":{"minimum":3}}}`, `[[3],[4,2]]`, "data/1/1", "minimum"},
		{"a name to escape", `{"properties":{"a/b~c":{"const":1}}}`, `{"a/b~c":2}`, "data/a~1b~0c", "value must be 1"},
		{"missing", `{"required":["id","b"]}`, `{"id":1}`, "data", "missing property 'b'"},
		{"additional", `{"properties":{"a":true},"additionalProperties":false}`, `{"a":1,"b":2}`, "data", "'b' not allowed"},
		{"the first in order", `{"items":{"type":"string"}}`, `["a",1,2]`, "data/1", ""},
		{"a reference", `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`, `1`, "data", "want string (schema/$defs/a/type)"},
		{"an anchor", `{"$ref":"#a","$defs":{"x":{"$anchor":"a","type":"string"}}}`, `1`, "data", "want string"},
		{"an id within", `{"$ref":"inner","$defs":{"x":{"$id":"inner","type":"string"}}}`, `1`, "data", "want string"},
		{"an absolute id", `{"$id":"https://example.com/s","$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}`, `1`, "data", "want string"},
		{"alternatives", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, "data", "none of the alternatives of anyOf fits"},
		{"one alternative", `{"oneOf":[{"type":"integer"},{"minimum":1}]}`, `1`, "data", "the alternatives 0 and 1 of oneOf fit"},
		{"no alternative", `{"oneOf":[{"type":"string"}]}`, `1`, "data", "none of the alternatives of oneOf fits"},
		{"not", `{"not":{"type":"integer"}}`, `1`, "data", "not forbids"},
		{"all", `{"allOf":[{"minimum":0},{"maximum":0}]}`, `1`, "data", "maximum"},
		{"if", `{"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1}`, "data", "'b'"},
		{"a recursive schema", `{"properties":{"next":{"$ref":"#"}},"additionalProperties":false}`, `{"next":{"next":{"nxt":{}}}}`, "data/next/next", "'nxt'"},
		{"a dynamic reference", `{"$dynamicAnchor":"node","properties":{"next":{"$dynamicRef":"#node"}},"additionalProperties":false}`, `{"next":{"x":1}}`, "data/next", "'x'"},
		{"large integers", `{"const":9007199254740993}`, `9007199254740992`, "data", "9007199254740993"},
		{"large integers, equal", `{"const":9007199254740993}`, `9007199254740993`, "", ""},
		{"equal numbers", `{"enum":[1.0]}`, `10e-1`, "", ""},
		{"integers", `{"type":"integer"}`, `1.0`, "", ""},
		{"the last of a name twice counts", `{"properties":{"a":{"const":2}}}`, `{"a":1,"a":2}`, "", ""},
		{"format is an annotation", `{"format":"email"}`, `"nobody"`, "", ""},
		{"format is an annotation in old dialects too", `{"$schema":"http://json-schema.org/draft-07/schema#","format":"email"}`, `"nobody"`, "", ""},
		{"an old dialect", `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}]}`, `[1]`, "data/0", "want string"},
		{"the dialect by name", `{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"type":"string"}]}`, `[1]`, "data/0", "want string"},
		{"a pattern of RE2", `{"pattern":"^(a+)+$"}`, `"` + strings.Repeat("a", 10_000) + `b"`, "data", "does not match"},
		{"content is an annotation", `{"contentMediaType":"application/json","contentSchema":{"type":"object"}}`, `"["`, "", ""},
		{"unevaluated", `{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"a":1,"b":1}`, "data/b", "no value is allowed"},
		{"an unpaired surrogate", `{"type":"string"}`, `"\ud800"`, "", ""},
	} {
		err := compile(t, c.schema).Validate([]byte(c.data))
		field, message := place(err)
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%s: %v", c.why, err)
		case c.field != "" && (field != c.field || !strings.Contains(message, c.words) || len(message) > 600):
			t.Errorf("%s: %s: %s; want %s: …%s", c.why, field, message, c.field, c.words)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 100) + "{}" + strings.Repeat("}", 100)
	many := `{"anyOf":[` + strings.Repeat("true,", 4000) + "true]}"
	for _, c := range []struct{ why, schema, field, words string }{
		{"empty", ``, "schema", "not complete"},
		{"truncated", `{"type"`, "schema/type", "unexpected EOF"},
		{"not JSON", `{"type":x}`, "schema/type", "breaks at byte"},
		{"two values", `{} {}`, "schema", "more text"},
		{"a name twice", `{"properties":{"a":{},"a":{}}}`, "schema/properties/a", "given twice"},
		{"not UTF-8", "{\"title\":\"\xff\"}", "schema", "UTF-8"},
		{"a number", `1`, "schema", "must be a JSON object"},
		{"null", `null`, "schema", "must be a JSON object"},
		{"an unknown type", `{"properties":{"a":{"type":"strng"}}}`, "schema/properties/a/type", "not valid in a JSON Schema"},
		{"a wrong value", `{"minLength":-1}`, "schema/minLength", "minimum"},
		{"a wrong kind", `{"required":"id"}`, "schema/required", "want array"},
		{"a remote reference", `{"properties":{"a":{"$ref":"https://example.com/s.json#/x"}}}`, "schema/properties/a/$ref", "never fetched"},
		{"a reference to a file", `{"$ref":"file:///etc/passwd"}`, "schema/$ref", "never fetched"},
		{"a relative reference", `{"items":{"$ref":"other.json"}}`, "schema/items/$ref", "never fetched"},
		{"a path", `{"items":{"$ref":"/etc/passwd"}}`, "schema/items/$ref", "never fetched"},
		{"an unknown dialect", `{"$schema":"https://example.com/dialect"}`, "schema/$schema", "never fetched"},
		{"a reference to nothing", `{"$ref":"#/$defs/a"}`, "schema", "not found"},
		{"an anchor that is not there", `{"$ref":"#a"}`, "schema", "a"},
		{"an id twice", `{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}`, "schema", "x"},
		{"a pattern that RE2 does not know", `{"pattern":"(?=a)"}`, "schema/pattern", "(?=a)"},
		{"a pattern of names", `{"patternProperties":{"(":true}}`, "schema", "'('"},
		{"a pattern that is large", `{"pattern":"((a{1000}){1000}){2}"}`, "schema/pattern", "repeat"},
		{"a reference to what is no schema", `{"$ref":"#/x","x":{"type":7}}`, "schema/x/type", "not valid in a JSON Schema"},
		{"patterns that are large together", `{"allOf":[` + strings.Repeat(`{"pattern":"`, 1) + `x{900}"},{"pattern":"y{900}"},{"pattern":"z{900}"},{"pattern":"a{900}"},{"pattern":"b{900}"},{"pattern":"c{900}"}]}`, "schema/allOf", "too large"},
		{"nested deeply", deep, "schema" + strings.Repeat("/not", 65), "nested too deeply"},
		{"many alternatives", many, "schema/anyOf/2999", "at most 3000"},
		{"a large exponent", `{"maximum":1e999999}`, "schema/maximum", "exponent"},
		{"a larger exponent", `{"maximum":1e99999999999999999999}`, "schema/maximum", "exponent"},
		{"a long number", `{"const":` + strings.Repeat("1", 1000) + `}`, "schema/const", "characters"},
		{"a large one", `{"title":"` + strings.Repeat("x", event.MaxSchemaBytes) + `"}`, "schema", "at most 262144"},
	} {
		_, err := schema.Compile([]byte(c.schema))
		field, message := place(err)
		if len(c.field) > 256 {
			c.field = field
		}
		if err == nil || !strings.HasPrefix(field, c.field) || !strings.Contains(message, c.words) || len(message) > 600 {
			t.Errorf("%s: %s: %s; want %s: …%s", c.why, field, message, c.field, c.words)
		}
	}
}

// Whatever the schema and the data are, checking ends, and says so.
func TestValidateIsBounded(t *testing.T) {
	chain := `{"$ref":"#/$defs/0","$defs":{`
	for i := range 60 {
		chain += fmt.Sprintf(`"%d":{"anyOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]},`, i, i+1, i+1)
	}
	chain += `"60":{"type":"string"}}}`
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct{ why, schema, data, words string }{
		{"a schema that refers to itself", `{"$ref":"#"}`, `1`, "does not fit"},
		{"a circle", `{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}}}`, `1`, "does not fit"},
		{"alternatives that double", chain, `1`, "steps"},
		{"alternatives that double, in an old dialect", strings.Replace(chain, `{`, `{"$schema":"http://json-schema.org/draft-07/schema#","allOf":[{"$ref":"#/$defs/0"}],"x":"`+"\",", 1), `1`, "steps"},
		{"elements that double", `{"anyOf":[{"items":{"$ref":"#"},"minItems":9},{"items":{"$ref":"#"},"minItems":9}]}`, nested(90), "steps"},
		{"elements that double below not", `{"not":{"$ref":"#/$defs/s"},"$defs":{"s":{"$ref":"#/$defs/t","items":{"$ref":"#/$defs/s"}},"t":{"items":{"$ref":"#/$defs/s"},"minItems":1000}}}`, nested(90), "steps"},
		{"anchors that double", `{"$dynamicRef":"#n","$defs":{"x":{"$dynamicAnchor":"n","anyOf":[{"items":{"$dynamicRef":"#n"},"minItems":9},{"items":{"$dynamicRef":"#n"},"minItems":9}]}}}`, nested(90), "steps"},
		{"data that is deep", `{"items":{"$ref":"#"}}`, nested(9000), "nested too deeply"},
		{"a large exponent", `{"items":{"minimum":1}}`, `[1,1e999999999]`, "exponent"},
		{"a negative exponent", `{"items":{"minimum":1}}`, `[1,1e-99999]`, "exponent"},
		{"a long number", `{"minimum":1}`, strings.Repeat("1", 100_000), "characters"},
		{"a long pattern and long text", `{"items":{"pattern":"^(` + strings.Repeat("a?", 400) + `)*$"}}`, `["` + strings.Repeat("a", 1<<20) + `"]`, "steps"},
	} {
		s, err := schema.Compile([]byte(c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		err = s.Validate([]byte(c.data))
		if _, message := place(err); err == nil || !strings.Contains(message, c.words) {
			t.Errorf("%s: %s, want …%s", c.why, message, c.words)
		}
	}
}

// A large body that fits an ordinary schema is not refused.
func TestLargeDataFits(t *testing.T) {
	s := compile(t, `{"items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","minimum":1},
		"country":{"enum":["DE","FR","IT"]},"mail":{"pattern":"^[^@]+@[^@]+$"},"tags":{"type":"array","uniqueItems":true}},"additionalProperties":false}}`)
	data := "[" + strings.Repeat(`{"id":12,"country":"IT","mail":"a@example.com","tags":["a","b"]},`, 15_000) + `{"id":1}]`
	if err := s.Validate([]byte(data)); err != nil {
		t.Errorf("%d bytes: %v", len(data), err)
	}
}

// The same data always gives the same message, in any order of maps, and not more than a few places.
func TestFaultsAreOrdered(t *testing.T) {
	s := compile(t, `{"additionalProperties":{"type":"string"}}`)
	var data strings.Builder
	data.WriteString("{")
	for i := range 50 {
		fmt.Fprintf(&data, `"%02d":1,`, i)
	}
	data.WriteString(`"z":1}`)
	first := s.Validate([]byte(data.String())).Error()
	if !strings.HasPrefix(first, "data/00: ") || strings.Count(first, "data/") != 8 {
		t.Errorf("got %s", first)
	}
	for range 20 {
		if again := s.Validate([]byte(data.String())).Error(); again != first {
			t.Fatalf("once %s, then %s", first, again)
		}
	}
}

// Many goroutines may use one schema, and each counts its own steps.
func TestConcurrentUse(t *testing.T) {
	s := compile(t, `{"items":{"type":"integer"}}`)
	fits := "[" + strings.Repeat("1,", 10_000) + "1]"
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			if err := s.Validate([]byte(fits)); err != nil {
				t.Errorf("it fits: %v", err)
			}
			if field, _ := place(s.Validate([]byte(`[1,"x"]`))); field != "data/1" {
				t.Errorf("goroutine %d: the fault is at %s", g, field)
			}
		})
	}
	all.Wait()
}

func FuzzCompile(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"pattern":"a"}}}`, `{"a":"b"}`)
	f.Add(`{"$dynamicRef":"#x","$defs":{"x":{"$dynamicAnchor":"x","not":{"if":true,"then":false}}}}`, `[1e5]`)
	f.Add(`{"$schema":"http://json-schema.org/draft-04/schema#","exclusiveMinimum":true,"minimum":1}`, `1`)
	f.Fuzz(func(t *testing.T, text, data string) {
		s, err := schema.Compile([]byte(text))
		if err != nil {
			if field, _ := place(err); !strings.HasPrefix(field, "schema") {
				t.Errorf("the error is about %q: %v", field, err)
			}
			return
		}
		if err := s.Validate([]byte(data)); err != nil {
			if field, _ := place(err); !strings.HasPrefix(field, "data") {
				t.Errorf("the error is about %q: %v", field, err)
			}
		}
	})
}
