package receiver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/terminal"
)

// shown is a webhook and the response of `hookferry listen`.
type shown struct {
	Arrival
	attempt int // how often this webhook-id has arrived; 0 without one
	status  int // of the response
	delay   time.Duration
	note    string // why it could not be read
}

const (
	maxShownLines = 40
	maxShownLine  = 200 // characters
)

// printer prints webhooks for people or as JSON.
type printer struct {
	*terminal.Screen
	w      io.Writer // the output of the screen
	asJSON bool
}

func (p printer) print(s shown) {
	if p.asJSON {
		terminal.WriteJSONLine(p.w, s.asRecord())
		return
	}
	p.Print(s.lines()...)
}

// lines returns the webhook for people: a head line, then the body.
func (s shown) lines() []terminal.Line {
	head := terminal.Line{
		terminal.Faint.Of(s.At.Format("15:04:05.000")),
		terminal.Bold.Of("  " + terminal.Clean(s.Method) + " " + terminal.Shorten(terminal.Clean(s.Path), maxShownLine)),
	}
	if s.EventType != "" {
		head = append(head, terminal.Blue.Of("  "+terminal.Shorten(terminal.Clean(s.EventType), maxShownLine)))
	}
	lines := []terminal.Line{head}
	if s.note != "" {
		return append(lines, terminal.Line{terminal.Red.Of("  " + terminal.Clean(s.note))}, s.responseLine(), nil)
	}
	id := "webhook-id none"
	if s.ID != "" {
		id = fmt.Sprintf("webhook-id %s  attempt %d", terminal.Shorten(terminal.Clean(s.ID), maxShownLine), s.attempt)
	}
	lines = append(lines, terminal.Line{terminal.Plain.Of("  " + id)}, s.signatureLine(), s.responseLine())
	for _, text := range s.bodyLines() {
		lines = append(lines, terminal.LineOf("    "+text))
	}
	return append(lines, nil)
}

func (s shown) signatureLine() terminal.Line {
	styles := map[Verdict]terminal.Style{Verified: terminal.Green, Wrong: terminal.Red, Unsigned: terminal.Yellow, Unchecked: terminal.Faint}
	l := terminal.Line{terminal.Plain.Of("  signature "), styles[s.Verdict].Of(string(s.Verdict))}
	if s.Problem != "" {
		l = append(l, terminal.Plain.Of(": "+terminal.Shorten(terminal.Clean(s.Problem), 2*maxShownLine)))
	}
	return l
}

func (s shown) responseLine() terminal.Line {
	looks := terminal.Green
	if s.status > 299 {
		looks = terminal.Yellow
	}
	status := looks.Of(fmt.Sprint(s.status))
	if s.delay > 0 {
		return terminal.Line{terminal.Plain.Of("  response "), status, terminal.Plain.Of(fmt.Sprintf(" in %v", s.delay))}
	}
	return terminal.Line{terminal.Plain.Of("  response "), status}
}

// bodyLines returns the body, truncated if it is long.
func (s shown) bodyLines() []string {
	if len(s.Body) == 0 {
		return []string{"(no body)"}
	}
	const most = 2 * maxShownLines * maxShownLine // longer text is never shown
	text := s.pretty()
	lines := terminal.CleanLines(terminal.FirstRunes(text, most))
	isCut := len(text) > most || len(lines) > maxShownLines
	lines = lines[:min(len(lines), maxShownLines)]
	for i, l := range lines {
		lines[i] = terminal.Shorten(l, maxShownLine)
		isCut = isCut || lines[i] != l
	}
	if isCut {
		lines = append(lines, fmt.Sprintf("(truncated; the body has %s)", terminal.Number(len(s.Body), "byte")))
	}
	return lines
}

// record is a webhook as --json prints it.
type record struct {
	Time      time.Time       `json:"time"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	WebhookID string          `json:"webhook_id"`
	Event     string          `json:"event"`
	Attempt   int             `json:"attempt"`
	Signature string          `json:"signature"` // verified, wrong, none or unchecked
	Problem   string          `json:"problem,omitempty"`
	Response  int             `json:"answer"`
	Body      json.RawMessage `json:"body,omitempty"` // if it is JSON
	Text      string          `json:"text,omitempty"` // if it is not
}

func (s shown) asRecord() record {
	r := record{
		Time: s.At, Method: s.Method, Path: s.Path, WebhookID: s.ID, Event: s.EventType, Attempt: s.attempt,
		Signature: strings.ToLower(string(s.Verdict)), Problem: s.Problem + s.note, Response: s.status,
	}
	if s.Verdict == Unchecked {
		r.Signature = "unchecked"
	}
	if json.Valid(s.Body) {
		r.Body = s.Body
	} else {
		r.Text = string(s.Body)
	}
	return r
}

// greeting says what happens now and what to type next.
func (l *Receiver) greeting(addr string) []terminal.Line {
	checks, secret := "not checked, because there is no secret", ""
	if l.verifier != nil {
		checks, secret = "checked", `, "secret": "THE SAME SECRET"`
	}
	responses := fmt.Sprintf("responds with %d", l.Status)
	switch {
	case l.FailFirst == 1:
		responses = fmt.Sprintf("responds with 500 to the first attempt of each webhook, then with %d", l.Status)
	case l.FailFirst > 1:
		responses = fmt.Sprintf("responds with 500 to the first %d attempts of each webhook, then with %d", l.FailFirst, l.Status)
	}
	if l.Delay > 0 {
		responses += fmt.Sprintf(", after %v", l.Delay)
	}
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().IsUnspecified() {
		addr = fmt.Sprintf("127.0.0.1:%d", a.Port())
	}
	return []terminal.Line{
		{terminal.Plain.Of("Listening on "), terminal.Bold.Of("http://" + addr), terminal.Plain.Of(", any path; " + responses + "; signatures are " + checks + ".")},
		terminal.LineOf("To send a webhook here, type in other terminals:"),
		nil,
		terminal.LineOf("  hookferry serve --dev"),
		terminal.LineOf(`  curl -X POST "http://127.0.0.1:8000/subscriptions/" -H "Content-Type: application/json" \`),
		terminal.LineOf(fmt.Sprintf(`       -d '{"target_url": "http://%s/webhook"%s, "event_types": ["user.*"]}'`, addr, secret)),
		terminal.LineOf(`  hookferry send SUBSCRIPTION_ID user.created '{"id": 123, "name": "John Doe"}'`),
		nil,
		{terminal.Faint.Of("Ctrl-C stops it.")},
		nil,
	}
}
