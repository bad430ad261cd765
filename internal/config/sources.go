package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// Source says where a setting's value comes from.
type Source string

// The sources, what counts most first.
const (
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromDotEnv      Source = ".env"
	FromDefault     Source = "default"
)

// layer is what one source says.
type layer struct {
	source  Source
	entries map[string]entry
	path    string // of the .env file
}

type entry struct {
	text string
	line int // in the .env file
}

// layers are all sources but the defaults, what counts most first.
type layers []layer

// found is a setting's text, and whence it is.
type found struct {
	set    bool // false: the default counts
	text   string
	source Source
	label  string // the setting, as a sentence about it begins
}

func flagLayer(flags Overrides, declared []declaration) layer {
	l := layer{source: FromFlag, entries: map[string]entry{}}
	given := map[string]string{"--addr": flags.Addr, "--admin-addr": flags.AdminAddr, "--data": flags.Data, "--role": flags.Role}
	for _, d := range declared {
		if text := given[d.flag]; text != "" {
			l.entries[d.name] = entry{text: text}
		}
	}
	return l
}

func environLayer(environ []string) layer {
	l := layer{source: FromEnvironment, entries: map[string]entry{}}
	for _, variable := range environ {
		if name, text, found := strings.Cut(variable, "="); found {
			l.entries[name] = entry{text: text}
		}
	}
	return l
}

// find returns what the first source that has the setting says. There, an empty
// text means the default, unless it means something for this setting.
func (ls layers) find(d declaration) (f found, fault string) {
	for _, l := range ls {
		text, isSet := l.text(d.name)
		var file string
		if d.secret {
			file, _ = l.text(d.name + "_FILE")
		}
		switch {
		case file != "" && text != "":
			return found{}, fmt.Sprintf("%s and %s are both set: keep one of them.", l.place(d.name), l.place(d.name+"_FILE"))
		case file != "":
			return l.fromFile(d, file)
		case isSet:
			return found{set: text != "" || d.emptyIsSet, text: text, source: l.source, label: l.label(d)}, ""
		}
	}
	return found{}, ""
}

// text is what is set, without the spaces around it, which mean nothing in any setting.
func (l layer) text(name string) (text string, isSet bool) {
	e, isSet := l.entries[name]
	return strings.TrimSpace(e.text), isSet
}

// label is the setting with its place, as a sentence about it begins.
func (l layer) label(d declaration) string {
	if l.source == FromFlag {
		return d.flag
	}
	return l.place(d.name)
}

func (l layer) place(name string) string {
	if l.source == FromDotEnv {
		return fmt.Sprintf("%s (%s, line %d)", event.Clip(name, event.MaxQuoted), l.path, l.entries[name].line)
	}
	return event.Clip(name, event.MaxQuoted)
}

// maxFile bounds what is read of a .env file or of one that holds a secret.
const maxFile = 1 << 20

// fromFile reads a secret from the file at path. A fault doesn't repeat the path:
// it may be the secret itself, put into the wrong variable.
func (l layer) fromFile(d declaration, path string) (f found, fault string) {
	label := l.place(d.name + "_FILE")
	text, err := readFile(path)
	if err != nil {
		return found{}, fmt.Sprintf("%s names a file that can't be read: %v. Write the path of the file that holds the value.", label, err)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return found{}, fmt.Sprintf("%s names a file that is empty: write the value into it, or remove the setting.", label)
	}
	return found{set: true, text: text, source: l.source, label: "The file of " + label}, ""
}

// readFile reads a small file. Its error leaves the path to the caller.
func readFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", withoutPath(err)
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("it is larger than %s", showSize(maxFile))
	}
	return string(text), nil
}

func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
