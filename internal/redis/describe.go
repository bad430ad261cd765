package redis

import (
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/hookferry/hookferry/internal/reason"
)

// describe says why Redis can't be used. It quotes only the code of a server's error, because the
// errors of old servers quote unknown commands, which may contain the password.
func describe(err error) string {
	var refusal goredis.Error
	if !errors.As(err, &refusal) {
		return reason.Of(err)
	}
	code, _, _ := strings.Cut(refusal.Error(), " ")
	switch {
	case code == "WRONGPASS", code == "NOAUTH":
		return "it refuses the user name or the password (" + code + ")"
	case code == "NOPERM":
		return "the user has no permission for the commands, keys or channels that Hookferry needs (NOPERM)"
	case code == "READONLY":
		return "it is a read-only replica (READONLY)"
	case code == "LOADING":
		return "it is still loading its data (LOADING)"
	case code == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return "it refuses a command"
	}
	return "it refuses a command (" + code + ")"
}

// addressError says what is wrong with an invalid address. It does not quote the error of the
// client library, which may contain the password.
func addressError(err error) error {
	const setting = "REDIS_URL is not a valid address"
	text := err.Error()
	switch {
	case strings.Contains(text, "database number"):
		return fmt.Errorf("%s: the path must be the number of a database, as in redis://host:6379/0", setting)
	case strings.Contains(text, "unexpected option"):
		return fmt.Errorf("%s: it has an unknown option; the options for Sentinel are master_name, username and password, and the option for a cluster is addr", setting)
	case strings.Contains(text, "scheme"):
		return fmt.Errorf("%s: use redis://host:6379, or rediss://host:6379 with TLS", setting)
	}
	return fmt.Errorf("%s: use redis://user:password@host:port/db?option=value; in the password, write %%2F for a slash, %%3F for ?, %%23 for #, %%40 for @ and %%25 for %%", setting)
}
