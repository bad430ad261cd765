package event

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits on a subscription's fields.
const (
	MaxEventTypes  = 100
	MaxHeaders     = 50
	MaxHeaderBytes = 4096
	MaxSecretBytes = 512
	MaxDescription = 1000
	MaxRetries     = 50
	MaxTimeout     = 60 * time.Second
	MaxInFlight    = 1000
	MaxRate        = 100_000.0
)

// Check checks the fields that a caller may set. The error is an *InvalidError that names
// each invalid field. retention bounds the retry schedule's window. Check does not decide
// which addresses may be called; the guard does.
func (s Subscription) Check(retention time.Duration) error {
	var c checker
	c.check("target_url", cmp.Or(CheckTarget(s.TargetURL), checkTargetEnd(s.TargetURL)))
	c.check("description", checkDescription(s.Description))
	if len(s.EventTypes) > MaxEventTypes {
		c.check("event_types", fmt.Sprintf("has %d entries; at most %d are allowed", len(s.EventTypes), MaxEventTypes))
	} else {
		for i, p := range s.EventTypes {
			c.check(fmt.Sprintf("event_types[%d]", i), CheckPattern(p))
		}
	}
	for _, secret := range s.Secrets {
		c.check("secret", checkSecret(secret))
	}
	if s.RequireSignature && len(s.Secrets) == 0 {
		c.check("require_signature", "needs a secret to check signatures with; give one in secret")
	}
	c.checkHeaders(s.Headers)
	c.checkSettings(s, retention)
	if len(c.fields) > 0 {
		return &InvalidError{Fields: c.fields}
	}
	return nil
}

type checker struct{ fields []FieldError }

func (c *checker) check(field, message string) {
	if message != "" {
		c.fields = append(c.fields, FieldError{Field: field, Message: message})
	}
}

func checkDescription(text string) string {
	switch {
	case len(text) > MaxDescription:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(text), MaxDescription)
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return "contains a NUL character or invalid UTF-8" // not every database can store them
	}
	return ""
}

func checkSecret(secret Secret) string {
	switch {
	case secret == "":
		return "must not be empty; omit it to send deliveries without a signature"
	case len(secret) > MaxSecretBytes:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(secret), MaxSecretBytes)
	}
	return ""
}

func (c *checker) checkSettings(s Subscription, retention time.Duration) {
	if s.Timeout < 0 || s.Timeout > MaxTimeout {
		c.check("timeout_seconds", fmt.Sprintf("must be between 0 (the service's default) and %v", MaxTimeout.Seconds()))
	}
	if s.MaxInFlight < 0 || s.MaxInFlight > MaxInFlight {
		c.check("max_in_flight", fmt.Sprintf("must be between 0 (the service's default) and %d", MaxInFlight))
	}
	if s.RatePerSecond < 0 || s.RatePerSecond > MaxRate || math.IsNaN(s.RatePerSecond) {
		c.check("rate_per_second", fmt.Sprintf("must be between 0 (no limit) and %v", MaxRate))
	}
	if s.Body != "" && s.Body != BodyEnvelope && s.Body != BodyData {
		c.check("body", fmt.Sprintf("is %q; it must be %q or %q", Clip(string(s.Body), MaxQuoted), BodyEnvelope, BodyData))
	}
	if len(s.RetrySchedule) > MaxRetries {
		c.check("retry_schedule_seconds", fmt.Sprintf("has %d entries; at most %d are allowed", len(s.RetrySchedule), MaxRetries))
		return
	}
	for i, d := range s.RetrySchedule {
		if d <= 0 || d > retention {
			c.check(fmt.Sprintf("retry_schedule_seconds[%d]", i), "must be more than 0 and at most the log retention, "+retention.String())
			return
		}
	}
	if w := s.RetrySchedule.Window(); w > retention {
		c.check("retry_schedule_seconds", fmt.Sprintf("adds up to %v, longer than the log retention of %v: the first attempts would be deleted before the last one is made", w, retention))
	}
}

// Headers that Hookferry sets itself, or that would change how a request is framed or where
// it goes.
var (
	reservedHeaders = []string{
		"host", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "te",
		"trailer", "upgrade", "expect", "accept-encoding", "user-agent", "http2-settings",
	}
	reservedPrefixes = []string{"webhook-", "x-hub-", "proxy-"}
)

func (c *checker) checkHeaders(headers map[string]string) {
	if len(headers) > MaxHeaders {
		c.check("headers", fmt.Sprintf("has %d entries; at most %d are allowed", len(headers), MaxHeaders))
		return
	}
	size := 0
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) { // so that the same mistakes give the same message
		value := headers[name]
		size += len(name) + len(value)
		lower := strings.ToLower(name)
		field := "headers." + Clip(name, MaxQuoted)
		c.check(field, checkHeader(name, value))
		if seen[lower] {
			c.check(field, "is given twice, in different letter case")
		}
		seen[lower] = true
	}
	if size > MaxHeaderBytes {
		c.check("headers", fmt.Sprintf("are %d bytes together; at most %d are allowed", size, MaxHeaderBytes))
	}
}

const headerBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~"

func checkHeader(name, value string) string {
	// Check before lowering the case: some letters outside ASCII have lower-case forms in ASCII.
	if name == "" || strings.Trim(name, headerBytes) != "" {
		return "is not a header name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)"
	}
	lower := strings.ToLower(name)
	for _, reserved := range reservedHeaders {
		if lower == reserved {
			return "is set by Hookferry and can't be changed"
		}
	}
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(lower, prefix) {
			return "begins with the reserved prefix " + prefix
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return "has a value with a control character or a character outside ASCII"
		}
	}
	return ""
}
