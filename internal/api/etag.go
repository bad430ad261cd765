package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookferry/hookferry/internal/api/view"
	"github.com/hookferry/hookferry/internal/event"
)

// The ETag of a subscription is its revision in quotes. It covers the fields that a caller can set,
// but neither pauses nor the health of the endpoint: a pause is no reason to refuse a change by
// someone who read the settings before it. For the same reason, If-None-Match never leads to a 304:
// a subscription paused in the meantime would look unchanged.

func etag(revision int64) string { return strconv.Quote(strconv.FormatInt(revision, 10)) }

// precondition is what If-Match requires. The zero value requires nothing.
type precondition struct {
	given     bool
	any       bool    // If-Match: *
	revisions []int64 // of the tags that can match
}

// readPrecondition reads If-Match (RFC 9110, section 13.1.1). A weak tag, and a tag that is not the
// ETag of any revision, is well-formed and never matches.
func readPrecondition(h http.Header) (precondition, error) {
	values, given := h["If-Match"]
	if !given {
		return precondition{}, nil
	}
	text := strings.Trim(strings.Join(values, ","), " \t")
	if text == "*" {
		return precondition{given: true, any: true}, nil
	}
	p := precondition{given: true}
	tags := 0
	for rest := text; rest != ""; {
		if rest[0] == ',' || rest[0] == ' ' || rest[0] == '\t' {
			rest = rest[1:]
			continue
		}
		tag, isWeak, after, ok := cutTag(rest)
		if !ok {
			return p, malformedIfMatch(text)
		}
		if revision, err := strconv.ParseInt(tag, 10, 64); err == nil && !isWeak && strconv.FormatInt(revision, 10) == tag {
			p.revisions = append(p.revisions, revision)
		}
		rest = after
		tags++
	}
	if tags == 0 {
		return p, malformedIfMatch(text)
	}
	return p, nil
}

// cutTag cuts the first entity tag off a list, up to its comma or the end of the list.
func cutTag(list string) (tag string, isWeak bool, rest string, ok bool) {
	list, isWeak = strings.CutPrefix(list, "W/")
	list, opens := strings.CutPrefix(list, `"`)
	tag, rest, closes := strings.Cut(list, `"`)
	rest = strings.TrimLeft(rest, " \t")
	isChar := func(r byte) bool { return r > ' ' && r != 0x7f }
	for i := range len(tag) {
		closes = closes && isChar(tag[i])
	}
	return tag, isWeak, rest, opens && closes && (rest == "" || rest[0] == ',')
}

func malformedIfMatch(text string) Problem {
	return newProblem(http.StatusBadRequest, "malformed_header", fmt.Sprintf(
		`If-Match is %q, which is not a list of ETags; send the ETag from a GET with its double quotes, like "17", or *.`, event.Clip(text, event.MaxQuoted))).
		withFields(event.FieldError{Field: "If-Match", Message: `is not a list of ETags in double quotes, like "17"`})
}

// revision returns the revision that a change requires, or 0 for any. The store compares it again
// in its transaction. It fails if the subscription does not match.
func (p precondition) revision(s event.Subscription) (int64, error) {
	if !p.given || p.any {
		return 0, nil
	}
	for _, one := range p.revisions {
		if one == s.Revision {
			return one, nil
		}
	}
	return 0, changedProblem(s.Revision)
}

func changedProblem(revision int64) Problem {
	return newProblem(http.StatusPreconditionFailed, "precondition_failed", fmt.Sprintf(
		`Nothing was changed: If-Match does not name the current revision, which is %s. Read the subscription again, and repeat the change with the new ETag.`, etag(revision)))
}

// maxRaces limits how often a change is tried again because other changes came first.
const maxRaces = 100

// retryChanged calls change with the current subscription until no other change comes between
// reading and writing it.
func (a *api) retryChanged(ctx context.Context, v view.View, s event.Subscription, p precondition, change func(s event.Subscription, revision int64) error) error {
	for range maxRaces {
		revision, err := p.revision(s)
		if err != nil {
			return err
		}
		err = change(s, revision)
		if !errors.Is(err, event.ErrChanged) {
			return a.notFoundProblem(ctx, v, err, aSubscription, s.ID)
		}
		if s, err = a.liveSubscription(ctx, v, s.ID); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: subscription %s kept changing", event.ErrUnavailable, s.ID)
}

// withETag describes the header of a response that shows one subscription.
func withETag(r *huma.Response) *huma.Response {
	return withHeader(r, "ETag", "The revision, for use in If-Match. It changes whenever a field that can be set changes; a pause does not change it.", etag(17))
}

func ifMatch() *huma.Param {
	return &huma.Param{
		Name: "If-Match", In: "header", Description: "The ETag from an earlier GET, a list of ETags, or *. If the subscription has a different revision by now, nothing is changed and the response is 412. Weak tags never match.",
		Schema: &huma.Schema{Type: huma.TypeString}, Example: etag(17),
	}
}
