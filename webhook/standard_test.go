package webhook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/webhook"
)

func TestVerifyStandard(t *testing.T) {
	const id, ts, sig = "webhook-id", "webhook-timestamp", "webhook-signature"
	set := func(name, value string) func(http.Header) {
		return func(h http.Header) { h.Set(name, value) }
	}
	unset := func(name string) func(http.Header) {
		return func(h http.Header) { h.Del(name) }
	}
	wrongs := func(n int) string { return strings.Repeat(wrongSignature+" ", n) }
	for _, tc := range []struct {
		change func(http.Header)
		want   error
		reason string
	}{
		{func(http.Header) {}, nil, "the published vector"},
		{unset(id), webhook.ErrMissingHeader, "the id is signed"},
		{unset(ts), webhook.ErrMissingHeader, "the time is signed"},
		{unset(sig), webhook.ErrMissingHeader, "no entry to compare"},
		{set(id, ""), webhook.ErrMissingHeader, "empty counts as missing"},
		{set(ts, ""), webhook.ErrMissingHeader, "empty counts as missing"},
		{set(sig, ""), webhook.ErrMissingHeader, "empty counts as missing"},

		{set(sig, wrongSignature), webhook.ErrBadSignature, "another key or body"},
		{set(sig, "v1,"), webhook.ErrBadSignature, "an entry without its signature"},
		{set(sig, "v1"), webhook.ErrBadSignature, "an entry without its comma"},
		{set(sig, vectorSignature[:20]), webhook.ErrBadSignature, "part of a signature is not a signature"},
		{set(sig, strings.TrimRight(vectorSignature, "=")), webhook.ErrBadSignature, "the standard pads its base64"},
		{set(sig, strings.Replace(vectorSignature, "v1", "v2", 1)), webhook.ErrBadSignature, "an unknown version is ignored"},
		{set(sig, strings.Replace(vectorSignature, "v1", "v1a", 1)), webhook.ErrBadSignature, "asymmetric signatures are not supported"},
		{set(sig, strings.Replace(vectorSignature, "v1", "V1", 1)), webhook.ErrBadSignature, "versions are lower case"},
		{set(sig, strings.Replace(vectorSignature, "v1,", "", 1)), webhook.ErrBadSignature, "the version is needed"},
		{set(sig, "invalid_prefix,"+vectorSignature[3:]), webhook.ErrBadSignature, "not a version at all"},

		{set(sig, wrongs(1)+"v2,abc "+vectorSignature+" "+wrongSignature), nil, "one match among several is enough"},
		{set(sig, "  "+vectorSignature+" "), nil, "stray spaces are empty entries"},
		{set(sig, wrongs(31)+vectorSignature), nil, "the 32nd entry is still read"},
		{set(sig, wrongs(32)+vectorSignature), webhook.ErrBadSignature, "the 33rd entry is not, which limits the work"},
		{set(sig, strings.Repeat("v2,x ", 32)+vectorSignature), webhook.ErrBadSignature, "unknown versions count towards the limit"},
		{set(sig, vectorSignature+strings.Repeat(" ", 4096)), webhook.ErrMalformedHeader, "too long"},
		{func(h http.Header) { h.Add(sig, wrongSignature) }, webhook.ErrMalformedHeader, "two headers could be read two ways"},
		{func(h http.Header) { h.Add(id, vectorID) }, webhook.ErrMalformedHeader, "two headers could be read two ways"},

		{set(id, "msg_other"), webhook.ErrBadSignature, "the id is signed"},
		{set(id, "msg."+vectorID), webhook.ErrBadID, "the standard forbids full stops in ids"},
		{set(id, strings.Repeat("i", 257)), webhook.ErrBadID, "too long"},
		{set(ts, "1614265331"), webhook.ErrBadSignature, "the time is signed"},
		{set(ts, "01614265330"), webhook.ErrBadSignature, "the time is signed as it is written"},
		{set(ts, "+1614265330"), webhook.ErrMalformedHeader, "digits only"},
		{set(ts, "-1"), webhook.ErrMalformedHeader, "digits only"},
		{set(ts, "1614265330.0"), webhook.ErrMalformedHeader, "whole seconds only"},
		{set(ts, "2021-02-25T15:02:10Z"), webhook.ErrMalformedHeader, "Unix seconds only"},
		{set(ts, strings.Repeat("9", 16)), webhook.ErrMalformedHeader, "too many digits"},
		{set(ts, "999999999999999"), webhook.ErrTimestampTooNew, "the largest readable time must not overflow"},
		{set(ts, "1614265330000"), webhook.ErrTimestampTooNew, "milliseconds instead of seconds"},
		{set(ts, "0"), webhook.ErrTimestampTooOld, "the smallest readable time"},

		{set("X-Hub-Signature-256", hubSignature), nil, "only the Standard Webhooks headers count"},
	} {
		h := vectorHeader()
		tc.change(h)
		err := mustVerifier(t, []string{vectorSecret}).Verify(h, []byte(vectorBody))
		if !errors.Is(err, tc.want) {
			t.Errorf("got %v, want %v: %s\n%v", err, tc.want, tc.reason, h)
		}
		if err != nil && strings.Contains(err.Error(), vectorSignature[3:]) {
			t.Errorf("the error shows a right signature: %v", err)
		}
	}
}

func TestVerifyTolerance(t *testing.T) {
	const minute = time.Minute
	for _, tc := range []struct {
		late   time.Duration // how far the receiver's clock is past the timestamp
		option webhook.Option
		want   error
		reason string
	}{
		{5 * minute, nil, nil, "the default reaches 5 minutes back"},
		{5*minute + 1, nil, webhook.ErrTimestampTooOld, "and not further"},
		{-5 * minute, nil, nil, "the default reaches 5 minutes ahead"},
		{-5*minute - 1, nil, webhook.ErrTimestampTooNew, "and not further"},
		{minute, webhook.WithTolerance(minute), nil, "the option sets how far back"},
		{minute + 1, webhook.WithTolerance(minute), webhook.ErrTimestampTooOld, "and not further"},
		{-minute, webhook.WithTolerance(minute), nil, "the option sets how far ahead"},
		{-minute - 1, webhook.WithTolerance(minute), webhook.ErrTimestampTooNew, "and not further"},
	} {
		opts := []webhook.Option{webhook.WithClock(func() time.Time { return vectorTime().Add(tc.late) })}
		if tc.option != nil {
			opts = append(opts, tc.option)
		}
		err := mustVerifier(t, []string{vectorSecret}, opts...).Verify(vectorHeader(), []byte(vectorBody))
		if !errors.Is(err, tc.want) {
			t.Errorf("%s late: got %v, want %v: %s", tc.late, err, tc.want, tc.reason)
		}
	}
}

func TestVerifySeveralSecrets(t *testing.T) {
	for _, tc := range []struct {
		secrets []string
		want    error
		reason  string
	}{
		{[]string{"new", vectorSecret}, nil, "the old secret is accepted"},
		{[]string{vectorSecret, "old"}, nil, "the new secret is accepted"},
		{[]string{"new", "old"}, webhook.ErrBadSignature, "neither secret signed it"},
	} {
		err := mustVerifier(t, tc.secrets).Verify(vectorHeader(), []byte(vectorBody))
		if !errors.Is(err, tc.want) {
			t.Errorf("got %v, want %v: %s", err, tc.want, tc.reason)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, opt := range map[string]webhook.Option{
		"no tolerance refuses nearly everything": webhook.WithTolerance(0),
		"a negative tolerance refuses all":       webhook.WithTolerance(-time.Second),
		"a nil clock would panic later":          webhook.WithClock(nil),
	} {
		if _, err := webhook.NewVerifier([]string{hubSecret}, opt); !errors.Is(err, webhook.ErrBadOption) {
			t.Errorf("%s: got %v, want ErrBadOption", name, err)
		}
	}
}
