package config

import (
	"strings"
	"testing"
)

// TestValues reads each setting from the environment. want is the value as it is shown, or the
// sentence that refuses it.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		reason, name, text string
		want               string
	}{
		{"lower case", "LOG_LEVEL", "debug", "DEBUG"},
		{"mixed case", "LOG_LEVEL", "Warn", "WARN"},
		{"no such level", "LOG_LEVEL", "verbose", `LOG_LEVEL is "verbose", which is not one of the choices: write DEBUG, INFO, WARN or ERROR.`},
		{"a format", "HOOKFERRY_LOG_FORMAT", "JSON", "json"},
		{"no such format", "HOOKFERRY_LOG_FORMAT", "xml", `HOOKFERRY_LOG_FORMAT is "xml", which is not one of the choices: write auto, text or json.`},

		{"no retries", "WEBHOOK_MAX_RETRIES", "0", "0"},
		{"the maximum", "WEBHOOK_MAX_RETRIES", "50", "50"},
		{"one more", "WEBHOOK_MAX_RETRIES", "51", `WEBHOOK_MAX_RETRIES is "51", which is out of range: write a number from 0 to 50.`},
		{"negative", "WEBHOOK_MAX_RETRIES", "-1", `WEBHOOK_MAX_RETRIES is "-1", which is out of range: write a number from 0 to 50.`},
		{"past 64 bits", "WEBHOOK_MAX_RETRIES", "99999999999999999999", `WEBHOOK_MAX_RETRIES is "99999999999999999999", which is out of range: write a number from 0 to 50.`},
		{"not whole", "WEBHOOK_MAX_RETRIES", "2.5", `WEBHOOK_MAX_RETRIES is "2.5", which is not an integer: write a number from 0 to 50.`},
		{"a word", "WEBHOOK_MAX_RETRIES", "five", `WEBHOOK_MAX_RETRIES is "five", which is not an integer: write a number from 0 to 50.`},
		{"none", "HOOKFERRY_MAX_IN_FLIGHT", "0", `HOOKFERRY_MAX_IN_FLIGHT is "0", which is out of range: write a number from 1 to 100000.`},
		{"above the limit of a subscription", "HOOKFERRY_LANE_IN_FLIGHT", "1001", `HOOKFERRY_LANE_IN_FLIGHT is "1001", which is out of range: write a number from 1 to 1000.`},

		{"a Go duration", "WEBHOOK_TIMEOUT", "1m", "1m"},
		{"seconds", "WEBHOOK_TIMEOUT", "15", "15s"},
		{"fractions of a second", "WEBHOOK_TIMEOUT", "2.5", "2.5s"},
		{"the shortest", "WEBHOOK_TIMEOUT", "100ms", "100ms"},
		{"shorter", "WEBHOOK_TIMEOUT", "99ms", `WEBHOOK_TIMEOUT is "99ms", which is out of range: write a duration from 100ms to 1m.`},
		{"longer", "WEBHOOK_TIMEOUT", "61", `WEBHOOK_TIMEOUT is "61", which is out of range: write a duration from 100ms to 1m.`},
		{"negative", "WEBHOOK_TIMEOUT", "-5s", `WEBHOOK_TIMEOUT is "-5s", which is out of range: write a duration from 100ms to 1m.`},
		{"a word", "WEBHOOK_TIMEOUT", "soon", `WEBHOOK_TIMEOUT is "soon", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"an unknown unit", "WEBHOOK_TIMEOUT", "10 sec", `WEBHOOK_TIMEOUT is "10 sec", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"not a number", "WEBHOOK_TIMEOUT", "NaN", `WEBHOOK_TIMEOUT is "NaN", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"infinite", "WEBHOOK_TIMEOUT", "Inf", `WEBHOOK_TIMEOUT is "Inf", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"a dot", "WEBHOOK_TIMEOUT", ".", `WEBHOOK_TIMEOUT is ".", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"an exponent", "WEBHOOK_TIMEOUT", "1e1", `WEBHOOK_TIMEOUT is "1e1", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"days", "LOG_RETENTION", "30d", "30d"},
		{"days are shown as hours", "LOG_RETENTION", "3d", "72h"},
		{"fractions of a day", "LOG_RETENTION", "1.5d", "36h"},
		{"days and hours", "LOG_RETENTION", "1d12h30m", "36h30m"},
		{"days without a number", "LOG_RETENTION", "d", `LOG_RETENTION is "d", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"days minus hours", "LOG_RETENTION", "2d-1h", `LOG_RETENTION is "2d-1h", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"negative days", "LOG_RETENTION", "-2d", `LOG_RETENTION is "-2d", which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"more days than fit in a Duration", "LOG_RETENTION", "200000d", `LOG_RETENTION is "200000d", which is out of range: write a duration from 1h to 3650d.`},
		{"too short to be of use", "LOG_RETENTION", "59m", `LOG_RETENTION is "59m", which is out of range: write a duration from 1h to 3650d.`},
		{"no grace", "HOOKFERRY_SHUTDOWN_GRACE", "0", "0s"},

		{"none by default", "WEBHOOK_RETRY_DELAY", "", "none"},
		{"zero is no delay", "WEBHOOK_RETRY_DELAY", "0", `WEBHOOK_RETRY_DELAY is "0", which is out of range: write a duration from 1ms to 24h.`},
		{"spaces and units", "WEBHOOK_RETRY_SCHEDULE", "1, 2.5s ,1h", "1s,2.5s,1h"},
		{"an empty entry", "WEBHOOK_RETRY_SCHEDULE", "1s,,3s", `WEBHOOK_RETRY_SCHEDULE is "1s,,3s", which has "" as its delay number 2, which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"a bad entry", "WEBHOOK_RETRY_SCHEDULE", "1s,x", `WEBHOOK_RETRY_SCHEDULE is "1s,x", which has "x" as its delay number 2, which is not a duration: write it like 10s, 5m, 72h or 3d; a number without a unit means seconds.`},
		{"a delay of 0", "WEBHOOK_RETRY_SCHEDULE", "0s", `WEBHOOK_RETRY_SCHEDULE is "0s", which has "0s" as its delay number 1, which is out of range: write a duration from 1ms to 30d.`},
		{
			"too many", "WEBHOOK_RETRY_SCHEDULE", strings.TrimSuffix(strings.Repeat("1s,", 51), ","),
			`WEBHOOK_RETRY_SCHEDULE is "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1…", which has 51 delays: write at most 50.`,
		},

		{"bytes", "HOOKFERRY_MAX_BODY", "524288", "512KiB"},
		{"odd bytes", "HOOKFERRY_MAX_BODY", "1025", "1025"},
		{"a unit", "HOOKFERRY_MAX_BODY", "2 MiB", "2MiB"},
		{"a unit in any case", "HOOKFERRY_MAX_BODY", "512kib", "512KiB"},
		{"the maximum", "HOOKFERRY_MAX_BODY", "32MiB", "32MiB"},
		{"one more", "HOOKFERRY_MAX_BODY", "33554433", `HOOKFERRY_MAX_BODY is "33554433", which is out of range: write a size from 1KiB to 32MiB.`},
		{"too small", "HOOKFERRY_MAX_BODY", "1023", `HOOKFERRY_MAX_BODY is "1023", which is out of range: write a size from 1KiB to 32MiB.`},
		{"more than 64 bits with its unit", "HOOKFERRY_MAX_BODY", "9223372036854775807MiB", `HOOKFERRY_MAX_BODY is "9223372036854775807MiB", which is out of range: write a size from 1KiB to 32MiB.`},
		{"negative", "HOOKFERRY_MAX_BODY", "-1MiB", `HOOKFERRY_MAX_BODY is "-1MiB", which is out of range: write a size from 1KiB to 32MiB.`},
		{"an ambiguous unit", "HOOKFERRY_MAX_BODY", "1MB", `HOOKFERRY_MAX_BODY is "1MB", which is not a size: write it in bytes, or like 512KiB or 1MiB.`},
		{"only a unit", "HOOKFERRY_MAX_BODY", "MiB", `HOOKFERRY_MAX_BODY is "MiB", which is not a size: write it in bytes, or like 512KiB or 1MiB.`},

		{"every network", "HOOKFERRY_ADDR", ":9000", ":9000"},
		{"a host", "HOOKFERRY_ADDR", "localhost:9000", "localhost:9000"},
		{"IPv6", "HOOKFERRY_ADDR", "[::1]:9000", "[::1]:9000"},
		{"a free port", "HOOKFERRY_ADDR", "127.0.0.1:0", "127.0.0.1:0"},
		{"only a port", "HOOKFERRY_ADDR", "8000", `HOOKFERRY_ADDR is "8000", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.`},
		{"a URL", "HOOKFERRY_ADDR", "http://localhost:8000", `HOOKFERRY_ADDR is "http://localhost:8000", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.`},
		{"IPv6 without brackets", "HOOKFERRY_ADDR", "::1:8000", `HOOKFERRY_ADDR is "::1:8000", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.`},
		{"a slash", "HOOKFERRY_ADDR", "a/b:80", `HOOKFERRY_ADDR is "a/b:80", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.`},
		{"a port that does not exist", "HOOKFERRY_ADDR", ":65536", `HOOKFERRY_ADDR is ":65536", which has the port "65536": a port is a number from 1 to 65535, or 0 for any free port.`},
		{"a port's name", "HOOKFERRY_ADDR", ":http", `HOOKFERRY_ADDR is ":http", which has the port "http": a port is a number from 1 to 65535, or 0 for any free port.`},
		{"no admin address", "HOOKFERRY_ADMIN_ADDR", "OFF", "off"},
		{"another word for off", "HOOKFERRY_ADMIN_ADDR", "no", `HOOKFERRY_ADMIN_ADDR is "no", which is not an address to listen on: write it like :8000 (all networks), 127.0.0.1:8000 or [::1]:8000.`},

		{"networks and addresses", "HOOKFERRY_ALLOW_TARGETS", "10.0.0.0/8, fd00::/8,192.168.1.7,::1", "10.0.0.0/8,fd00::/8,192.168.1.7/32,::1/128"},
		{"IPv4 in IPv6's clothes", "HOOKFERRY_ALLOW_TARGETS", "::ffff:10.0.0.0/104,::ffff:10.1.2.3", "10.0.0.0/8,10.1.2.3/32"},
		{"everything, said so", "HOOKFERRY_ALLOW_TARGETS", "All", "all"},
		{"every IPv4 address by a mask", "HOOKFERRY_ALLOW_TARGETS", "10.0.0.0/8,0.0.0.0/0", `HOOKFERRY_ALLOW_TARGETS is "10.0.0.0/8,0.0.0.0/0", which has the entry "0.0.0.0/0", which allows every address: name the networks that you need, or write only the word all.`},
		{"every IPv6 address by a mask", "HOOKFERRY_ALLOW_TARGETS", "::/0", `HOOKFERRY_ALLOW_TARGETS is "::/0", which has the entry "::/0", which allows every address: name the networks that you need, or write only the word all.`},
		{"all of IPv4 in IPv6's clothes", "HOOKFERRY_ALLOW_TARGETS", "::ffff:0.0.0.0/96", `HOOKFERRY_ALLOW_TARGETS is "::ffff:0.0.0.0/96", which has the entry "::ffff:0.0.0.0/96", which allows every address: name the networks that you need, or write only the word all.`},
		{"all together with other entries", "HOOKFERRY_ALLOW_TARGETS", "10.0.0.0/8,all", `HOOKFERRY_ALLOW_TARGETS is "10.0.0.0/8,all", which has the entry "all", which can't be combined with other entries: write it alone, or leave it out.`},
		{"a network with host bits", "HOOKFERRY_ALLOW_TARGETS", "10.1.2.3/8", `HOOKFERRY_ALLOW_TARGETS is "10.1.2.3/8", which has the entry "10.1.2.3/8", which is neither a network nor an address: write 10.0.0.0/8 for the network or 10.1.2.3 for the address.`},
		{"a name", "HOOKFERRY_ALLOW_TARGETS", "db.internal", `HOOKFERRY_ALLOW_TARGETS is "db.internal", which has the entry "db.internal", which is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address.`},
		{"a zone", "HOOKFERRY_ALLOW_TARGETS", "fe80::1%eth0", `HOOKFERRY_ALLOW_TARGETS is "fe80::1%eth0", which has the entry "fe80::1%eth0", which is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address.`},
		{"an extra comma", "HOOKFERRY_ALLOW_TARGETS", "10.0.0.0/8,", `HOOKFERRY_ALLOW_TARGETS is "10.0.0.0/8,", which has the entry "", which is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address.`},
		{"NAT64 of one length", "HOOKFERRY_ALLOW_TARGETS", "64:ff9b:1:fffe::/96,64:ff9b::/96", "64:ff9b:1:fffe::/96,64:ff9b::/96"},
		{"NAT64 of every length", "HOOKFERRY_ALLOW_TARGETS", "64:ff9b:1::/48", `HOOKFERRY_ALLOW_TARGETS is "64:ff9b:1::/48", which has the entry "64:ff9b:1::/48", which contains NAT64 prefixes of every length, so it is not clear which IPv4 addresses are meant: name the /96 of your translator.`},
		{"NAT64 in a wider network", "HOOKFERRY_ALLOW_TARGETS", "::/1", `HOOKFERRY_ALLOW_TARGETS is "::/1", which has the entry "::/1", which contains NAT64 prefixes of every length, so it is not clear which IPv4 addresses are meant: name the /96 of your translator.`},

		{"networks that are denied", "HOOKFERRY_DENY_TARGETS", "203.0.113.0/24, 2001:db8::1,::ffff:10.0.0.0/104", "203.0.113.0/24,2001:db8::1/128,10.0.0.0/8"},
		{"none", "HOOKFERRY_DENY_TARGETS", "", "none"},
		{"all of IPv6, on a machine without it", "HOOKFERRY_DENY_TARGETS", "::/0", "::/0"},
		{"the word", "HOOKFERRY_DENY_TARGETS", "all", `HOOKFERRY_DENY_TARGETS is "all", which has the entry "all", which is not a network: write it like 10.0.0.0/8, fd00::/8, or 10.1.2.3 for one address.`},
		{"a network with host bits", "HOOKFERRY_DENY_TARGETS", "10.1.2.3/8", `HOOKFERRY_DENY_TARGETS is "10.1.2.3/8", which has the entry "10.1.2.3/8", which is neither a network nor an address: write 10.0.0.0/8 for the network or 10.1.2.3 for the address.`},

		{"ports and ranges", "HOOKFERRY_TARGET_PORTS", "80, 443,1024-65535", "80,443,1024-65535"},
		{"every port", "HOOKFERRY_TARGET_PORTS", "ALL", "all"},
		{"every port, in numbers", "HOOKFERRY_TARGET_PORTS", "1-65535", "all"},
		{"a range of one", "HOOKFERRY_TARGET_PORTS", "443-443", "443"},
		{"backwards", "HOOKFERRY_TARGET_PORTS", "443,90-80", `HOOKFERRY_TARGET_PORTS is "443,90-80", which has the entry "90-80", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},
		{"port 0", "HOOKFERRY_TARGET_PORTS", "0-80", `HOOKFERRY_TARGET_PORTS is "0-80", which has the entry "0-80", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},
		{"too large", "HOOKFERRY_TARGET_PORTS", "65536", `HOOKFERRY_TARGET_PORTS is "65536", which has the entry "65536", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},
		{"no end", "HOOKFERRY_TARGET_PORTS", "1024-", `HOOKFERRY_TARGET_PORTS is "1024-", which has the entry "1024-", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},
		{"a name", "HOOKFERRY_TARGET_PORTS", "https", `HOOKFERRY_TARGET_PORTS is "https", which has the entry "https", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},
		{"an extra comma", "HOOKFERRY_TARGET_PORTS", "443,", `HOOKFERRY_TARGET_PORTS is "443,", which has the entry "", which is not a port or a port range: write it like 443 or 1024-65535, or write only the word all.`},

		{"yes", "HOOKFERRY_REQUIRE_HTTPS", "True", "true"},
		{"no", "HOOKFERRY_REQUIRE_HTTPS", "false", "false"},
		{"a number", "HOOKFERRY_REQUIRE_HTTPS", "1", `HOOKFERRY_REQUIRE_HTTPS is "1", which is neither true nor false: write one of them.`},

		{"a proxy", "HOOKFERRY_PROXY", "http://proxy.internal:3128", "http://proxy.internal:3128"},
		{"with a slash", "HOOKFERRY_PROXY", "HTTP://10.0.0.5:3128/", "http://10.0.0.5:3128"},
		{"by IPv6", "HOOKFERRY_PROXY", "http://[fd00::5]:3128", "http://[fd00::5]:3128"},
		{"with credentials", "HOOKFERRY_PROXY", "http://ferry:pw-hunter2@proxy:3128", "http://[hidden]@proxy:3128"},
		{"with only a password", "HOOKFERRY_PROXY", "http://:pw-hunter2@proxy:3128", "http://[hidden]@proxy:3128"},
		{"with only a user", "HOOKFERRY_PROXY", "http://ferry@proxy:3128", "http://[hidden]@proxy:3128"},
		{"no proxy", "HOOKFERRY_PROXY", "", "none"},
		{"no port", "HOOKFERRY_PROXY", "http://ferry:pw-hunter2@proxy", "HOOKFERRY_PROXY has a value that has no port: write it like http://proxy.internal:3128."},
		{"a port that does not exist", "HOOKFERRY_PROXY", "http://proxy:0", "HOOKFERRY_PROXY has a value that has no port: write it like http://proxy.internal:3128."},
		{"no host", "HOOKFERRY_PROXY", "http://:3128", "HOOKFERRY_PROXY has a value that is not the address of a proxy: write it like http://proxy.internal:3128."},
		{"no scheme", "HOOKFERRY_PROXY", "proxy.internal:3128", "HOOKFERRY_PROXY has a value that is not the address of a proxy: write it like http://proxy.internal:3128."},
		{"over TLS", "HOOKFERRY_PROXY", "https://u:pw-hunter2@proxy:3128", `HOOKFERRY_PROXY has a value that begins with "https://", but only http:// is supported; requests to https targets are encrypted anyway.`},
		{"of another kind", "HOOKFERRY_PROXY", "socks5://proxy:1080", `HOOKFERRY_PROXY has a value that begins with "socks5://", but only http:// is supported; requests to https targets are encrypted anyway.`},
		{"a path", "HOOKFERRY_PROXY", "http://proxy:3128/x", "HOOKFERRY_PROXY has a value that has text after the port: write it like http://proxy.internal:3128."},
		{"a secret where a scheme belongs", "HOOKFERRY_PROXY", "u:pw-hunter2@proxy://x", "HOOKFERRY_PROXY has a value that is not the address of a proxy: write it like http://proxy.internal:3128."},
		{"a host with a line break", "HOOKFERRY_PROXY", "http://a%0d%0ab:3128", "HOOKFERRY_PROXY has a value that " + errAmbiguous.Error() + "."},

		{"a relative file", "DATABASE_URL", "sqlite://hooks.db", "sqlite://hooks.db"},
		{"an absolute file", "DATABASE_URL", "sqlite:///var/lib/a b#%41.db", "sqlite:///var/lib/a b#%41.db"},
		{"no file", "DATABASE_URL", "sqlite://", "DATABASE_URL has a value that does not name a file: write sqlite://path, like sqlite://hooks.db or sqlite:///var/lib/hooks.db."},
		{"a directory", "DATABASE_URL", "sqlite:///var/lib/", "DATABASE_URL has a value that does not name a file: write sqlite://path, like sqlite://hooks.db or sqlite:///var/lib/hooks.db."},
		{"memory", "DATABASE_URL", "sqlite://:memory:", "DATABASE_URL has a value that names a database in memory, which loses events when the service stops: name a file."},
		{"options", "DATABASE_URL", "sqlite://x.db?_pragma=synchronous(0)", "DATABASE_URL has a value that has options after a question mark: write only the path, because Hookferry sets all options itself."},
		{"a shell's home", "DATABASE_URL", "sqlite://~/x.db", "DATABASE_URL has a value that begins with ~, which only a shell replaces with the home directory: write the full path."},
		{"another database", "DATABASE_URL", "mysql://u:pw-hunter2@db/x", `DATABASE_URL has a value that begins with "mysql://", which is not a database that Hookferry supports: write postgres://user@host/name, or sqlite://path like sqlite:///var/lib/hooks.db.`},
		{"a path", "DATABASE_URL", "/var/lib/pw-hunter2.db", "DATABASE_URL has a value that is not a URL: write postgres://user@host/name, or sqlite://path like sqlite:///var/lib/hooks.db."},
		{"a secret where a scheme belongs", "DATABASE_URL", "u:pw-hunter2@db://x", "DATABASE_URL has a value that is not a URL: write postgres://user@host/name, or sqlite://path like sqlite:///var/lib/hooks.db."},
		{"a shell's home", "HOOKFERRY_DATA", "~/data", `HOOKFERRY_DATA is "~/data", which begins with ~, which only a shell replaces with the home directory: write the full path.`},
		{"Redis with SQLite", "REDIS_URL", "redis://:pw-hunter2@r", "REDIS_URL is for several nodes on PostgreSQL, but the database is SQLite, which only one process can use: set DATABASE_URL to postgres://…, or remove REDIS_URL."},
		{"no Redis", "REDIS_URL", "pw-hunter2:6379", "REDIS_URL has a value that is not a Redis URL: write redis://host:6379, or rediss://host:6379 for TLS."},
		{"a Redis without a host", "REDIS_URL", "redis://", "REDIS_URL has a value that is not a Redis URL: write redis://host:6379, or rediss://host:6379 for TLS."},
		{"a role for one process", "HOOKFERRY_ROLE", "ALL", "all"},
		{"the role worker on SQLite", "HOOKFERRY_ROLE", "worker", "The role is worker, but the database is SQLite, which only one process can use: set DATABASE_URL to postgres://…, or use the role all."},
		{"no role", "HOOKFERRY_ROLE", "ingest", `HOOKFERRY_ROLE is "ingest", which is not one of the choices: write all, api or worker.`},
		{"a SQLite replica", "DATABASE_READ_URL", "postgres://u:pw-hunter2@db/x", "DATABASE_READ_URL names a PostgreSQL replica, so both it and DATABASE_URL must begin with postgres://: change them, or remove DATABASE_READ_URL."},

		{"a key", "HOOKFERRY_API_KEY", "0123456789abcdef", "[hidden]"},
		{"none", "HOOKFERRY_API_KEY", "", "none"},
		{"short", "HOOKFERRY_API_KEY", "pw-hunter2", "HOOKFERRY_API_KEY has a value that is 10 characters long: use 16 to 512, for example the output of `openssl rand -hex 32`."},
		{"long", "HOOKFERRY_API_KEY", strings.Repeat("k", 513), "HOOKFERRY_API_KEY has a value that is 513 characters long: use 16 to 512, for example the output of `openssl rand -hex 32`."},
		{"a space", "HOOKFERRY_API_KEY", "pw-hunter2 pw-hunter2", "HOOKFERRY_API_KEY has a value that contains a space, a control character or a character outside ASCII, which an HTTP header can't contain: use letters, digits and punctuation."},
		{"outside ASCII", "HOOKFERRY_API_KEY", "pässwörter-pässwörter", "HOOKFERRY_API_KEY has a value that contains a space, a control character or a character outside ASCII, which an HTTP header can't contain: use letters, digits and punctuation."},
	} {
		config, err := Load([]string{c.name + "=" + c.text}, "", Overrides{})
		var got string
		if err != nil {
			got = err.Error()
		} else {
			got, _ = valueOf(t, config, c.name)
		}
		if got != c.want {
			t.Errorf("%s: %s=%s:\n got %s\nwant %s", c.reason, c.name, c.text, got, c.want)
		}
		if err != nil && strings.Contains(got, "hunter2") {
			t.Errorf("%s: the sentence repeats a secret: %s", c.reason, got)
		}
	}
}

// TestWhatIsShownCanBeWritten: every value that is shown can be read back with the same result.
func TestWhatIsShownCanBeWritten(t *testing.T) {
	for _, setting := range []string{
		"LOG_RETENTION=36h0.5s", "LOG_RETENTION=400d", "LOG_RETENTION=96h", "WEBHOOK_TIMEOUT=1.000000001s", "HOOKFERRY_SHUTDOWN_GRACE=10m",
		"HOOKFERRY_SHUTDOWN_GRACE=0", "WEBHOOK_RETRY_SCHEDULE=1h10m,30d,1s", "HOOKFERRY_MAX_BODY=1048577", "HOOKFERRY_ALLOW_TARGETS=all", "HOOKFERRY_ALLOW_TARGETS=::1",
		"HOOKFERRY_DENY_TARGETS=::/0,0.0.0.0/0", "HOOKFERRY_TARGET_PORTS=all", "HOOKFERRY_TARGET_PORTS=80,1024-65535", "HOOKFERRY_REQUIRE_HTTPS=true", "HOOKFERRY_PROXY=http://[::1]:3128",
		"DATABASE_URL=sqlite:///x", "HOOKFERRY_ADMIN_ADDR=off",
	} {
		name, text, _ := strings.Cut(setting, "=")
		for _, d := range declarations(&Config{}) {
			if d.name != name {
				continue
			}
			if err := d.value.read(text); err != nil {
				t.Errorf("%s: it %v", setting, err)
			}
			shown := d.value.show()
			if err := d.value.read(shown); err != nil || d.value.show() != shown {
				t.Errorf("%s is shown as %q, which reads as %q (%v)", setting, shown, d.value.show(), err)
			}
		}
	}
}

func TestDatabaseHidesWhatIsSecret(t *testing.T) {
	for _, c := range []struct{ reason, url, want string }{
		{"a password", "postgres://app:pw@db:5432/hooks", "postgres://[hidden]@db:5432/hooks"},
		{"options may contain another password", "postgres://app@db/hooks?sslmode=disable&password=pw", "postgres://[hidden]@db/hooks?[hidden]"},
		{"no user", "postgres://db/hooks", "postgres://db/hooks"},
		{"only a password", "postgres://:pw@db/hooks", "postgres://[hidden]@db/hooks"},
		{"only a user, which may be a password in the wrong place", "postgres://pw@db/hooks", "postgres://[hidden]@db/hooks"},
		{"several hosts", "postgres://app:pw@db1:5432,db2:5433/hooks?target_session_attrs=read-write", "postgres://[hidden]@db1:5432,db2:5433/hooks?[hidden]"},
		{"no host", "postgres:///hooks?host=/run&password=pw", "postgres:///hooks?[hidden]"},
	} {
		if got := parsedDatabase(t, c.url).String(); got != c.want {
			t.Errorf("%s: %s is shown as %s, want %s", c.reason, c.url, got, c.want)
		}
	}
}

func parsedDatabase(t *testing.T, url string) Database {
	t.Helper()
	d, err := parseDatabase(url)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
