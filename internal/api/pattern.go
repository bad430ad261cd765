package api

import (
	"fmt"
	"slices"
	"strings"
)

// pattern is a path of the OpenAPI document, such as "/subscriptions/{id}", split into segments.
// The router and the document both parse paths with it. A trailing slash has no meaning, because
// every path works with and without one.
type pattern []part

// part is one segment of a pattern: a literal or a parameter.
type part struct {
	text        string // the literal, or the parameter's name
	isParameter bool
}

// parsePattern splits a path. A parameter is a whole segment in braces.
func parsePattern(path string) (pattern, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("the path %q does not begin with a slash", path)
	}
	rest := strings.TrimSuffix(path[1:], "/")
	if rest == "" {
		return nil, nil
	}
	var p pattern
	for segment := range strings.SplitSeq(rest, "/") {
		one, err := parsePart(segment)
		if err != nil {
			return nil, fmt.Errorf("the path %q: %w", path, err)
		}
		if one.isParameter && slices.Contains(p, one) {
			return nil, fmt.Errorf("the path %q has two parameters %q: give each a name of its own", path, one.text)
		}
		p = append(p, one)
	}
	return p, nil
}

func parsePart(segment string) (part, error) {
	name, opens := strings.CutPrefix(segment, "{")
	name, closes := strings.CutSuffix(name, "}")
	switch {
	case !isValue(name) || opens != closes || strings.ContainsAny(name, "{}"):
		return part{}, fmt.Errorf("the segment %q is neither a literal nor a parameter like {id}", segment)
	case opens:
		return part{text: name, isParameter: true}, nil
	}
	return part{text: segment}, nil
}

// isValue reports whether a segment of a request's path may be the value of a parameter. The empty
// segment may not, nor may "." and "..", which lead to other paths.
func isValue(segment string) bool { return segment != "" && segment != "." && segment != ".." }

// parameters returns the names of the parameters in the order of the path.
func (p pattern) parameters() (names []string) {
	for _, one := range p {
		if one.isParameter {
			names = append(names, one.text)
		}
	}
	return names
}
