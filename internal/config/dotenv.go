package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"
)

// readDotEnv reads the .env file. A missing file is not a fault.
func readDotEnv(path string) (layer, Faults) {
	l := layer{source: FromDotEnv, path: path}
	if path == "" {
		return l, nil
	}
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, Faults{fmt.Sprintf("%s can't be read: %v. Fix it, remove it, or start in another directory.", path, err)}
	}
	var faults Faults
	l.entries, faults = parseDotEnv(text)
	for i, fault := range faults {
		faults[i] = path + ", " + fault
	}
	return l, faults
}

// parseDotEnv reads lines of the form NAME=value. "export " may precede a name. A # begins a
// comment at the start of a line and after a space. A value in 'single quotes' is taken literally.
// In "double quotes", \n, \r, \t, \", \\, \$ and \` are escapes. There is no expansion, and a value
// can't span lines. Other programs have other rules for .env files: a line that they may read
// differently is refused.
//
// A fault never repeats the text of its line, which may be a secret.
func parseDotEnv(text string) (entries map[string]entry, faults []string) {
	entries = map[string]entry{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, fault := parseLine(line)
		if before, again := entries[name]; fault == "" && again {
			fault = fmt.Sprintf("sets %s, which line %d already sets: keep only one of them", name, before.line)
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("line %d %s.", n, fault))
			continue
		}
		entries[name] = entry{text: value, line: n}
	}
	return entries, faults
}

func parseLine(line string) (name, value, fault string) {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, isControl) {
		return "", "", "is not plain text: save the file as UTF-8 without control characters"
	}
	if rest, found := strings.CutPrefix(line, "export"); found && rest != strings.TrimLeft(rest, " \t") {
		line = strings.TrimLeft(rest, " \t")
	}
	name, raw, found := strings.Cut(line, "=")
	switch {
	case !found:
		return "", "", "has no \"=\": write NAME=value, or # before a comment"
	case !isName(name):
		return "", "", "has no valid name before \"=\": a name consists of letters, digits and _, does not begin with a digit, and is not followed by a space"
	}
	value, fault = parseValue(raw)
	return name, value, fault
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' }

func isName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return name != "" && strings.ContainsRune(letters, rune(name[0])) && strings.Trim(name, letters+"0123456789") == ""
}

func parseValue(raw string) (value, fault string) {
	quoted := strings.TrimLeft(raw, " \t")
	switch {
	case strings.HasPrefix(quoted, "'"):
		inside, after, closed := strings.Cut(quoted[1:], "'")
		if !closed {
			return "", "has no closing quote: end the value with ' on the same line"
		}
		return inside, checkAfterQuote(after)
	case strings.HasPrefix(quoted, `"`):
		return parseDoubleQuoted(quoted[1:])
	}
	for i := 1; i < len(raw); i++ {
		if raw[i] == '#' && (raw[i-1] == ' ' || raw[i-1] == '\t') {
			raw = raw[:i]
			break
		}
	}
	if strings.ContainsAny(raw, `'"`) {
		return "", "has a quote inside its value: put the whole value in the other kind of quotes"
	}
	return strings.TrimSpace(raw), ""
}

func parseDoubleQuoted(text string) (value, fault string) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), checkAfterQuote(text[i+1:])
		case '\\':
			i++
			if i == len(text) {
				break
			}
			escaped := strings.IndexByte("nrt\"\\$`", text[i])
			if escaped < 0 {
				return "", "has a backslash in double quotes that does not begin an escape: write \\\\ for a backslash, or use single quotes"
			}
			b.WriteByte("\n\r\t\"\\$`"[escaped])
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "has no closing quote: end the value with \" on the same line"
}

// checkAfterQuote allows only a comment after a closing quote.
func checkAfterQuote(after string) (fault string) {
	comment := strings.TrimLeft(after, " \t")
	if comment == "" || comment != after && comment[0] == '#' {
		return ""
	}
	return "has text after the closing quote: remove it, or write a space and # before a comment"
}
