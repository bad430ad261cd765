package match

import (
	"fmt"
	"strings"

	"github.com/hookferry/hookferry/internal/event"
)

// The limits of the channels of an event or of a subscription.
const (
	MaxChannels = 10
	MaxChannel  = 64 // bytes
)

const channelBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/"

// CheckChannels checks the channels of an event or a subscription. The error is an
// *event.InvalidError. A channel may have the same characters as an event type.
func CheckChannels(channels []string) error {
	if len(channels) > MaxChannels {
		return event.Invalid("channels", fmt.Sprintf("has %d entries; at most %d are allowed", len(channels), MaxChannels))
	}
	for i, c := range channels {
		if message := checkChannel(c); message != "" {
			return event.Invalid(fmt.Sprintf("channels[%d]", i), message)
		}
	}
	return nil
}

func checkChannel(c string) string {
	switch rest := strings.TrimLeft(c, channelBytes); {
	case c == "":
		return "must not be empty"
	case len(c) > MaxChannel:
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(c), MaxChannel)
	case rest != "":
		first := []rune(rest)[0]
		return fmt.Sprintf("contains %q; only letters, digits and . _ - : / are allowed", string(first))
	}
	return ""
}
