package match_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reference implements filters again, in a simple way: everything is decoded, and each rule of the
// package comment is one case. It handles only filters that compile.
func reference(t testing.TB, filter string, top map[string]string) bool {
	t.Helper()
	parts := map[string]any{}
	for name, text := range top {
		if v, ok := decode(text); ok {
			parts[name] = v
		}
	}
	f, ok := decode(filter)
	if !ok {
		t.Fatalf("the filter is not JSON: %s", filter)
	}
	return refHolds(f, parts)
}

// missing is the value of an absent member.
type missing struct{}

func decode(text string) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err == nil
}

func refHolds(condition, v any) bool {
	object, isObject := condition.(map[string]any)
	switch {
	case !isObject:
		return refSame(map[string]any{"$eq": condition}, v)
	case refHasOperators(object):
		return refOperators(object, v)
	}
	if array, ok := v.([]any); ok {
		return slices.ContainsFunc(array, func(e any) bool { return refHolds(condition, e) })
	}
	for name, c := range object {
		member := any(missing{})
		if o, ok := v.(map[string]any); ok {
			if m, has := o[name]; has {
				member = m
			}
		}
		if !refHolds(c, member) {
			return false
		}
	}
	return true
}

func refHasOperators(object map[string]any) bool {
	for name := range object {
		if strings.HasPrefix(name, "$") {
			return true
		}
	}
	return false
}

func refOperators(object map[string]any, v any) bool {
	same := map[string]any{}
	for name, operand := range object {
		switch name {
		case "$and":
			for _, c := range operand.([]any) {
				if !refHolds(c, v) {
					return false
				}
			}
		case "$or":
			if !slices.ContainsFunc(operand.([]any), func(c any) bool { return refHolds(c, v) }) {
				return false
			}
		case "$not":
			if refHolds(operand, v) {
				return false
			}
		case "$neq", "$nin":
			if refSame(map[string]any{strings.Replace(name, "n", "", 1): operand}, v) {
				return false
			}
		case "$exist":
			if _, absent := v.(missing); absent == operand.(bool) {
				return false
			}
		case "$contains":
			if !refContains(v, operand) {
				return false
			}
		default:
			same[name] = operand
		}
	}
	return len(same) == 0 || refSame(same, v)
}

// refSame reports whether all comparisons hold for one value.
func refSame(comparisons map[string]any, v any) bool {
	if _, absent := v.(missing); absent {
		return false
	}
	all := true
	for name, operand := range comparisons {
		all = all && refCompare(name, operand, v)
	}
	if array, ok := v.([]any); ok && !all {
		return slices.ContainsFunc(array, func(e any) bool { return refSame(comparisons, e) })
	}
	return all
}

func refCompare(name string, operand, v any) bool {
	text, isText := v.(string)
	switch name {
	case "$eq":
		return refEqual(v, operand)
	case "$in":
		return slices.ContainsFunc(operand.([]any), func(o any) bool { return refEqual(v, o) })
	case "$startsWith":
		return isText && slices.ContainsFunc(refTexts(operand), func(o string) bool { return strings.HasPrefix(text, o) })
	case "$endsWith":
		return isText && slices.ContainsFunc(refTexts(operand), func(o string) bool { return strings.HasSuffix(text, o) })
	case "$regex":
		return isText && regexp.MustCompile(operand.(string)).MatchString(text)
	}
	order, ok := refOrder(v, operand)
	return ok && map[string]bool{"$gt": order > 0, "$gte": order >= 0, "$lt": order < 0, "$lte": order <= 0}[name]
}

func refTexts(operand any) (texts []string) {
	if text, ok := operand.(string); ok {
		return []string{text}
	}
	for _, o := range operand.([]any) {
		texts = append(texts, o.(string))
	}
	return texts
}

func refOrder(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case json.Number:
		if b, both := b.(json.Number); both {
			return rat(a).Cmp(rat(b)), true
		}
	case string:
		if b, both := b.(string); both {
			return slices.Compare([]rune(a), []rune(b)), true
		}
	}
	return 0, false
}

func refContains(v, operand any) bool {
	switch v := v.(type) {
	case string:
		text, isText := operand.(string)
		return isText && strings.Contains(v, text)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return refEqual(e, operand) })
	}
	return false
}

func refEqual(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, x := range a {
			if y, has := b[name]; !has || !refEqual(x, y) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, refEqual)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && rat(a).Cmp(rat(b)) == 0
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func rat(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic("not a number: " + n)
	}
	return r
}
