package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf16"
)

// shown is a webhook with what `hookferry listen` did about it.
type shown struct {
	arrival
	attempt int // how often this webhook-id has come; 0 without one
	answer  int // the status
	delay   time.Duration
	note    string // why it could not be read
}

const (
	maxShownLines = 40
	maxShownLine  = 200 // characters
)

// listenPrinter writes webhooks, for people or as JSON.
type listenPrinter struct {
	*screen
	asJSON bool
}

func (p listenPrinter) print(s shown) {
	if p.asJSON {
		writeJSONLine(p.w, s.record())
		return
	}
	p.screen.print(s.lines()...)
}

// lines is the webhook for people: a head line, then the body.
func (s shown) lines() []line {
	head := line{
		{s.at.Format("15:04:05.000"), faint},
		{"  " + clean(s.method) + " " + shorten(clean(s.path), maxShownLine), bold},
	}
	if s.eventType != "" {
		head = append(head, span{"  " + shorten(clean(s.eventType), maxShownLine), blue})
	}
	lines := []line{head}
	if s.note != "" {
		return append(lines, line{{"  " + clean(s.note), red}}, s.answerLine(), nil)
	}
	id := "webhook-id none"
	if s.id != "" {
		id = fmt.Sprintf("webhook-id %s  attempt %d", shorten(clean(s.id), maxShownLine), s.attempt)
	}
	lines = append(lines, line{{"  " + id, plain}}, s.signatureLine(), s.answerLine())
	for _, text := range s.bodyLines() {
		lines = append(lines, lineOf("    "+text))
	}
	return append(lines, nil)
}

func (s shown) signatureLine() line {
	styles := map[verdict]style{verified: green, wrong: red, unsigned: yellow, unchecked: faint}
	l := line{{"  signature ", plain}, {string(s.verdict), styles[s.verdict]}}
	if s.problem != "" {
		l = append(l, span{": " + shorten(clean(s.problem), 2*maxShownLine), plain})
	}
	return l
}

func (s shown) answerLine() line {
	looks := green
	if s.answer > 299 {
		looks = yellow
	}
	l := line{{"  answered ", plain}, {fmt.Sprint(s.answer), looks}}
	if s.delay > 0 {
		l[0].text = "  answering "
		l = append(l, span{fmt.Sprintf(" in %v", s.delay), plain})
	}
	return l
}

// bodyLines is the body, cut where it gets long.
func (s shown) bodyLines() []string {
	if len(s.body) == 0 {
		return []string{"(no body)"}
	}
	const most = 2 * maxShownLines * maxShownLine // more than that is never shown
	text := s.pretty()
	lines := cleanLines(firstRunes(text, most))
	isCut := len(text) > most || len(lines) > maxShownLines
	lines = lines[:min(len(lines), maxShownLines)]
	for i, l := range lines {
		lines[i] = shorten(l, maxShownLine)
		isCut = isCut || lines[i] != l
	}
	if isCut {
		lines = append(lines, fmt.Sprintf("(cut; the body has %s)", number(len(s.body), "byte")))
	}
	return lines
}

// listenRecord is a webhook as --json prints it.
type listenRecord struct {
	Time      time.Time       `json:"time"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	WebhookID string          `json:"webhook_id"`
	Event     string          `json:"event"`
	Attempt   int             `json:"attempt"`
	Signature string          `json:"signature"` // verified, wrong, none or unchecked
	Problem   string          `json:"problem,omitempty"`
	Answer    int             `json:"answer"`
	Body      json.RawMessage `json:"body,omitempty"` // where it is JSON
	Text      string          `json:"text,omitempty"` // where it is not
}

func (s shown) record() listenRecord {
	r := listenRecord{
		Time: s.at, Method: s.method, Path: s.path, WebhookID: s.id, Event: s.eventType, Attempt: s.attempt,
		Signature: strings.ToLower(string(s.verdict)), Problem: s.problem + s.note, Answer: s.answer,
	}
	if s.verdict == unchecked {
		r.Signature = "unchecked"
	}
	if json.Valid(s.body) {
		r.Body = s.body
	} else {
		r.Text = string(s.body)
	}
	return r
}

// writeJSONLine writes v as JSON in one line. Whatever is not visible is escaped,
// as clean does it for other text.
func writeJSONLine(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		switch {
		case !isUnfit(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, out.String()+"\n")
	return err
}

// greeting says what happens now and what to type next.
func (l *listener) greeting(addr string) []line {
	checks, secret := "not checked, because no secret was given", ""
	if l.verifier != nil {
		checks, secret = "checked", `, "secret": "THE SAME SECRET"`
	}
	answers := fmt.Sprintf("answers %d", l.status)
	switch {
	case l.failFirst == 1:
		answers = fmt.Sprintf("answers 500 to the first attempt of each webhook, then %d", l.status)
	case l.failFirst > 1:
		answers = fmt.Sprintf("answers 500 to the first %d attempts of each webhook, then %d", l.failFirst, l.status)
	}
	if l.delay > 0 {
		answers += fmt.Sprintf(", after %v", l.delay)
	}
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().IsUnspecified() {
		addr = fmt.Sprintf("127.0.0.1:%d", a.Port())
	}
	return []line{
		{{"Listening on ", plain}, {"http://" + addr, bold}, {": any path; " + answers + "; signatures are " + checks + ".", plain}},
		lineOf("To send something here, in other terminals:"),
		nil,
		lineOf("  hookferry serve --dev"),
		lineOf(`  curl -X POST "http://127.0.0.1:8000/subscriptions/" -H "Content-Type: application/json" \`),
		lineOf(fmt.Sprintf(`       -d '{"target_url": "http://%s/webhook"%s, "event_types": ["user.*"]}'`, addr, secret)),
		lineOf(`  hookferry send SUBSCRIPTION_ID user.created '{"id": 123, "name": "John Doe"}'`),
		nil,
		{{"Ctrl-C ends it.", faint}},
		nil,
	}
}
