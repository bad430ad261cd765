package config

import (
	"fmt"
	"strings"
)

// Setting describes one setting to people. It contains no secrets.
type Setting struct {
	Name    string
	Flag    string // the flag that overrides it, or ""
	Value   string // in force; "none" if there is none
	Default string // with --dev, if it is set; "none" if there is none
	Source  Source
	Allowed string // the limits, or ""
	Meaning string
	Role    Role
	Secret  bool
}

const none = "none"

// Describe returns every setting as it is in force.
func (c Config) Describe() []Setting {
	var settings []Setting
	for _, d := range declarations(&c) {
		s := Setting{
			Name: d.name, Flag: d.flag, Value: orNone(d.value.show()), Default: orNone(d.defaultFor(c.Dev)),
			Source: FromDefault, Allowed: d.value.allowed, Meaning: plain(d.meaning), Role: d.role, Secret: d.secret,
		}
		if d.defMeaning != "" {
			s.Default = plain(d.defMeaning)
		}
		if source := c.origins[d.name]; source != "" {
			s.Source = source
		}
		settings = append(settings, s)
	}
	return settings
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// plain removes Markdown's code marks from a text.
func plain(text string) string { return strings.ReplaceAll(text, "`", "") }

// Markdown is the table of all settings, as docs/settings.md shows it.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| setting | default | used by | meaning |\n|---|---|---|---|\n")
	for _, d := range declarations(&Config{}) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.nameColumn(), d.defaultColumn(), d.role, d.meaningColumn())
	}
	return b.String()
}

func (d declaration) nameColumn() string {
	column := "`" + d.name + "`"
	if d.flag != "" {
		column += " (`" + d.flag + "`)"
	}
	return column
}

func (d declaration) defaultColumn() string {
	column := none
	switch {
	case d.defMeaning != "":
		column = d.defMeaning
	case d.def != "":
		column = "`" + d.def + "`"
	}
	if d.devDef != "" {
		column += "; `" + d.devDef + "` with `--dev`"
	}
	return column
}

func (d declaration) meaningColumn() string {
	column := d.meaning
	if d.value.allowed != "" {
		column += " Allowed: " + d.value.allowed + "."
	}
	if d.secret {
		column += " `" + d.name + "_FILE` can name a file that holds it."
	}
	return column
}
