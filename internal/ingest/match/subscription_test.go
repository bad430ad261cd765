package match_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/ingest/match"
)

func TestSubscription(t *testing.T) {
	ofData := compile(t, `{"data":{"amount":{"$gt":100}}}`)
	paid := match.Event{Type: "invoice.paid", Tenant: "acme", Channels: []string{"eu", "vip"}, Data: []byte(`{"amount":50}`)}
	direct, without := paid, paid
	direct.Direct, direct.Channels = true, nil
	without.Channels = nil
	tests := []struct {
		reason string
		sub    match.Subscription
		event  match.Event
		rule   match.Rule // "" if it matches
		words  string
	}{
		{"wants everything", match.Subscription{Active: true}, paid, "", ""},
		{"a paused subscription matches", match.Subscription{Active: true, Paused: true}, paid, "", "the subscription is paused, so its delivery waits"},
		{"inactive", match.Subscription{}, paid, match.RuleActive, "the subscription is not active"},
		{"disabled", match.Subscription{DisabledReason: "the endpoint responded with 410"}, paid, match.RuleActive, "the subscription is disabled: the endpoint responded with 410"},
		{"inactive and paused", match.Subscription{Paused: true}, paid, match.RuleActive, "the subscription is not active"},
		{"inactive comes before the type", match.Subscription{EventTypes: []string{"user.*"}}, paid, match.RuleActive, "the subscription is not active"},

		{"its type", match.Subscription{Active: true, EventTypes: []string{"user.*", "invoice.paid"}}, paid, "", ""},
		{"a pattern", match.Subscription{Active: true, EventTypes: []string{"invoice.*"}}, paid, "", ""},
		{"a star", match.Subscription{Active: true, EventTypes: []string{"*"}}, paid, "", ""},
		{
			"another type",
			match.Subscription{Active: true, EventTypes: []string{"user.*", "invoice.voided"}},
			paid,
			match.RuleEventTypes, `the event's type is "invoice.paid"; the subscription wants "user.*" or "invoice.voided"`,
		},
		{
			"many other types",
			match.Subscription{Active: true, EventTypes: []string{"a", "b", "c", "d", "e", "f", "g"}},
			paid,
			match.RuleEventTypes, `the event's type is "invoice.paid"; the subscription wants "a" or "b" or "c" or "d" or "e" or 2 more`,
		},
		{"a type in another case", match.Subscription{Active: true, EventTypes: []string{"Invoice.*"}}, paid, match.RuleEventTypes, `the event's type is "invoice.paid"; the subscription wants "Invoice.*"`},
		{"the type comes before the channels", match.Subscription{Active: true, EventTypes: []string{"a"}, Channels: []string{"us"}}, paid, match.RuleEventTypes, `the event's type is "invoice.paid"; the subscription wants "a"`},

		{"one channel in common", match.Subscription{Active: true, Channels: []string{"us", "vip"}}, paid, "", ""},
		{
			"none in common",
			match.Subscription{Active: true, Channels: []string{"us", "EU"}},
			paid,
			match.RuleChannels, `the event's channels are "eu" and "vip"; the subscription wants "us" or "EU"`,
		},
		{"an event without channels", match.Subscription{Active: true, Channels: []string{"us"}}, without, match.RuleChannels, `the event has no channels; the subscription wants "us"`},
		{"no channels on either side", match.Subscription{Active: true}, without, "", ""},
		{"published to this one", match.Subscription{Active: true, Channels: []string{"us"}}, direct, "", ""},
		{"published to this one, but of another type", match.Subscription{Active: true, EventTypes: []string{"a"}}, direct, match.RuleEventTypes, `the event's type is "invoice.paid"; the subscription wants "a"`},
		{"published to this one, which is inactive", match.Subscription{}, direct, match.RuleActive, "the subscription is not active"},
		{"published to this one, whose filter is not true", match.Subscription{Active: true, Filter: ofData}, direct, match.RuleFilter, `data.amount is 50; the filter wants more than 100 (filter/data/amount/$gt)`},
		{"the channels come before the filter", match.Subscription{Active: true, Channels: []string{"us"}, Filter: ofData}, without, match.RuleChannels, `the event has no channels; the subscription wants "us"`},
		{"paused, and its filter is not true", match.Subscription{Active: true, Paused: true, Filter: ofData}, paid, match.RuleFilter, `data.amount is 50; the filter wants more than 100 (filter/data/amount/$gt)`},
		{"its filter is true", match.Subscription{Active: true, Filter: compile(t, `{"data":{"amount":50}}`)}, paid, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			e := tt.event
			matches, why := tt.sub.Match(&e)
			if matches != (tt.rule == "") || why.Rule != tt.rule || why.String() != tt.words {
				t.Errorf("it matches is %v, the rule %q and the reason %q; want %q and %q", matches, why.Rule, why, tt.rule, tt.words)
			}
		})
	}
}

func TestCheckChannels(t *testing.T) {
	many := make([]string, match.MaxChannels+1)
	for i := range many {
		many[i] = "c"
	}
	tests := []struct {
		reason         string
		channels       []string
		field, message string // "" if the channels are valid
	}{
		{"none", nil, "", ""},
		{"the most", many[1:], "", ""},
		{"one more", many, "channels", "11 entries; at most 10"},
		{"every byte that is allowed", []string{"aZ0._-:/"}, "", ""},
		{"the longest", []string{strings.Repeat("x", match.MaxChannel)}, "", ""},
		{"one byte more", []string{"a", strings.Repeat("x", match.MaxChannel+1)}, "channels[1]", "65 bytes"},
		{"empty", []string{""}, "channels[0]", "must not be empty"},
		{"a blank", []string{"a b"}, "channels[0]", `" "`},
		{"a star", []string{"a", "eu.*"}, "channels[1]", `"*"`},
		{"NUL", []string{"a\x00"}, "channels[0]", `"\x00"`},
		{"not UTF-8", []string{"\xff"}, "channels[0]", "letters, digits"},
		{"another alphabet", []string{"größe"}, "channels[0]", `"ö"`},
	}
	for _, tt := range tests {
		err := match.CheckChannels(tt.channels)
		var invalid *event.InvalidError
		switch {
		case tt.field == "":
			if err != nil {
				t.Errorf("%s: %v", tt.reason, err)
			}
		case !errors.As(err, &invalid) || invalid.Fields[0].Field != tt.field || !strings.Contains(invalid.Fields[0].Message, tt.message):
			t.Errorf("%s: got %v, want %s and %q", tt.reason, err, tt.field, tt.message)
		}
	}
}
