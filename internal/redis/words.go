package redis

import (
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/reason"
)

// inWords says why Redis can't be used. Of what a server says only its code is repeated: an old
// one quotes the command that it does not know, with the password that is in it.
func inWords(err error) string {
	var refusal goredis.Error
	if !errors.As(err, &refusal) {
		return reason.Of(err)
	}
	code, _, _ := strings.Cut(refusal.Error(), " ")
	switch {
	case code == "WRONGPASS", code == "NOAUTH":
		return "it refuses the user name or the password (" + code + ")"
	case code == "NOPERM":
		return "its user may not use the commands, keys or channels that are needed (NOPERM)"
	case code == "READONLY":
		return "it can only be read: it is a replica (READONLY)"
	case code == "LOADING":
		return "it is reading its data still (LOADING)"
	case code == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return "it refuses a command"
	}
	return "it refuses a command (" + code + ")"
}

// addressFault says what is wrong with an address that the client does not understand. The client's
// own words are looked at, and not repeated.
func addressFault(err error) error {
	const setting = "REDIS_URL is not an address that the client understands"
	text := err.Error()
	switch {
	case strings.Contains(text, "database number"):
		return fmt.Errorf("%s: behind the host stands the number of a database, as in redis://host:6379/0", setting)
	case strings.Contains(text, "unexpected option"):
		return fmt.Errorf("%s: it has an option that the client does not know; those of Sentinel are master_name, username and password, that of a cluster is addr", setting)
	case strings.Contains(text, "scheme"):
		return fmt.Errorf("%s: write redis://host:6379, or rediss://host:6379 with TLS", setting)
	}
	return fmt.Errorf("%s: write redis://user:password@host:port/db, an option as its name, = and a value, and in the password %%2F for a slash, %%3F for ?, %%23 for #, %%40 for @ and %%25 for %%", setting)
}
