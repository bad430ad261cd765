package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/seal"
)

// value is a field of Config that can be read from and shown as text.
//
// The error of read continues a sentence after "…, which" or "… a value that": it says what is
// wrong and how to fix it.
type value struct {
	read    func(text string) error
	show    func() string // in the form of a setting, without secrets; "" for none
	allowed string        // the limits in words; "" for none
}

func bind[T any](field *T, parse func(string) (T, error), show func(T) string) value {
	return value{
		read: func(text string) error {
			v, err := parse(text)
			if err == nil {
				*field = v
			}
			return err
		},
		show: func() string { return show(*field) },
	}
}

func asIs(text string) string { return text }

func countOf(field *int, least, most int) value {
	v := bind(field, func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
			return 0, fmt.Errorf("is not an integer: write a number from %d to %d", least, most)
		case err != nil || n < least || n > most:
			return 0, fmt.Errorf("is out of range: write a number from %d to %d", least, most)
		}
		return n, nil
	}, strconv.Itoa)
	v.allowed = fmt.Sprintf("%d to %d", least, most)
	return v
}

func choiceOf[T ~string](field *T, choices ...T) value {
	names := make([]string, len(choices))
	for i, choice := range choices {
		names[i] = string(choice)
	}
	last := len(names) - 1
	allowed := strings.Join(names[:last], ", ") + " or " + names[last]
	v := bind(field, func(text string) (T, error) {
		for _, choice := range choices {
			if strings.EqualFold(text, string(choice)) {
				return choice, nil
			}
		}
		return "", fmt.Errorf("is not one of the choices: write %s", allowed)
	}, func(choice T) string { return string(choice) })
	v.allowed = allowed
	return v
}

func switchOf(field *bool) value {
	v := bind(field, func(text string) (bool, error) {
		switch {
		case strings.EqualFold(text, "true"):
			return true, nil
		case strings.EqualFold(text, "false"):
			return false, nil
		}
		return false, errors.New("is neither true nor false: write one of them")
	}, strconv.FormatBool)
	v.allowed = "true or false"
	return v
}

func pathOf(field *string) value { return bind(field, parsePath, asIs) }

func parsePath(text string) (string, error) {
	if text == "~" || strings.HasPrefix(text, "~/") {
		return "", errors.New("begins with ~, which only a shell replaces with the home directory: write the full path")
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("contains a NUL character, which is not allowed in a path")
	}
	return text, nil
}

const (
	minKey = 16
	maxKey = 512
)

func keyOf(field *event.Secret) value {
	v := bind(field, parseKey, hide)
	v.allowed = fmt.Sprintf("at least %d characters", minKey)
	return v
}

func parseKey(text string) (event.Secret, error) {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return "", errors.New("contains a space, a control character or a character outside ASCII, which an HTTP header can't contain: use letters, digits and punctuation")
		}
	}
	if n := len(text); n < minKey || n > maxKey {
		return "", fmt.Errorf("is %d characters long: use %d to %d, for example the output of `openssl rand -hex 32`", n, minKey, maxKey)
	}
	return event.Secret(text), nil
}

func ringOf(field *seal.Ring) value {
	v := bind(field, parseRing, func(r seal.Ring) string {
		if !r.Seals() {
			return ""
		}
		return hide("set") + " with the ids " + r.String()
	})
	v.allowed = "32 bytes each, as base64 or hex"
	return v
}

func parseRing(text string) (seal.Ring, error) {
	r, err := seal.ParseRing(text)
	if err != nil {
		return seal.Ring{}, fmt.Errorf("can't be used, because %w: use the output of `openssl rand -base64 32`, and commas between several keys", err)
	}
	return r, nil
}

func hide(s event.Secret) string {
	if s == "" {
		return ""
	}
	return s.String()
}
