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

// Source is where a setting's value comes from.
type Source string

// The sources, in order of precedence.
const (
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromDotEnv      Source = ".env"
	FromDefault     Source = "default"
)

// layer contains the settings from one source.
type layer struct {
	source  Source
	entries map[string]entry
	path    string // of the .env file
}

type entry struct {
	text string
	line int // in the .env file
}

// layers are all sources except the defaults, in order of precedence.
type layers []layer

// foundSetting is the text of a setting, and its source.
type foundSetting struct {
	set    bool // if false, the default is used
	text   string
	source Source
	label  string // the setting, at the start of a sentence
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

// find returns the value from the first source that has the setting. An empty value there means the
// default, unless this setting gives it a meaning.
func (ls layers) find(d declaration) (f foundSetting, fault string) {
	for _, l := range ls {
		text, isSet := l.text(d.name)
		var file string
		if d.secret {
			file, _ = l.text(d.name + "_FILE")
		}
		switch {
		case file != "" && text != "":
			return foundSetting{}, fmt.Sprintf("%s and %s are both set: keep one of them.", l.place(d.name), l.place(d.name+"_FILE"))
		case file != "":
			return l.fromFile(d, file)
		case isSet:
			return foundSetting{set: text != "" || d.emptyIsSet, text: text, source: l.source, label: l.label(d)}, ""
		}
	}
	return foundSetting{}, ""
}

// text returns the value without surrounding spaces, which have no meaning in any setting.
func (l layer) text(name string) (text string, isSet bool) {
	e, isSet := l.entries[name]
	return strings.TrimSpace(e.text), isSet
}

// label returns the setting and its place, for the start of a sentence.
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

// maxFile limits how much of a .env file, or of a file with a secret, is read.
const maxFile = 1 << 20

// fromFile reads a secret from the file at path. Its fault does not repeat the path, which may be
// the secret itself in the wrong variable.
func (l layer) fromFile(d declaration, path string) (f foundSetting, fault string) {
	label := l.place(d.name + "_FILE")
	text, err := readFile(path)
	if err != nil {
		return foundSetting{}, fmt.Sprintf("%s names a file that can't be read: %v. Write the path of the file that contains the value.", label, err)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return foundSetting{}, fmt.Sprintf("%s names an empty file: write the value into the file, or remove the setting.", label)
	}
	return foundSetting{set: true, text: text, source: l.source, label: "The file of " + label}, ""
}

// readFile reads a small file. Its error does not contain the path.
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
