// Package config defines the service's settings. Each is declared once, with its type and unit, its
// default, its meaning, and the role that uses it.
//
// Settings come from command-line flags, environment variables and a .env file, in this order. Load
// reads and checks all of them, and reports everything that is wrong at once. The package opens and
// starts nothing; what a setting does is up to the package that uses it.
//
// Start with the declarations in settings.go, then read Load below.
package config

import (
	"net/netip"
	"path/filepath"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/seal"
)

// Config contains every setting as it is in force. settings.go documents each.
type Config struct {
	// Dev is set only by --dev. It changes defaults, and makes the service refuse addresses that
	// other machines can reach.
	Dev bool

	Data     string // a directory
	Database Database
	// ReadDatabase is a replica for status and list queries. Its Engine is "" if there is none.
	ReadDatabase Database
	Redis        event.Secret // a URL that may contain a password; "" for none
	Retention    time.Duration

	MaxRetries    int
	RetryDelay    time.Duration // if 0, RetrySchedule is used
	RetrySchedule []time.Duration
	Timeout       time.Duration
	AllowTargets  []netip.Prefix
	DenyTargets   []netip.Prefix
	TargetPorts   []event.PortRange
	RequireHTTPS  bool
	Proxy         Proxy
	TargetCA      TargetCA
	MaxInFlight   int
	LaneInFlight  int

	Role          Role
	Addr          string
	AdminAddr     string       // "" for none
	APIKey        event.Secret // "" for none
	MasterKeys    seal.Ring    // if empty, secrets are stored unencrypted
	MaxBody       int64        // bytes
	ShutdownGrace time.Duration

	MaxConnections  int
	MaxPending      int // deliveries
	MaxPendingOfOne int // deliveries of one subscription

	LogLevel  string // DEBUG, INFO, WARN or ERROR
	LogFormat string // auto, text or json
	// LogAttempts says which attempts are logged: failures or all.
	LogAttempts string

	warnings []string
	origins  map[string]Source // the sources of the settings that are not defaults
}

// Overrides are the values of flags. "" means that a flag was not given.
type Overrides struct {
	Addr      string // --addr
	AdminAddr string // --admin-addr
	Data      string // --data
	Role      string // --role
	Dev       bool   // --dev
}

// Load reads the settings from the flags, the environment (in the form of os.Environ) and the .env
// file, if it exists. It reads no file if dotEnvPath is "". Its error has the type Faults.
func Load(environ []string, dotEnvPath string, flags Overrides) (Config, error) {
	c := Config{Dev: flags.Dev, origins: map[string]Source{}}
	declared := declarations(&c)
	file, fileFaults := readDotEnv(dotEnvPath)
	from := layers{flagLayer(flags, declared), environLayer(environ), file}

	unknown, warnings := from.unknown(declared)
	c.warnings = warnings
	faults := append(fileFaults, unknown...)
	faulty := map[string]bool{}
	for _, d := range declared {
		if fault := c.readSetting(d, from); fault != "" {
			faults = append(faults, fault)
			faulty[d.name] = true
		}
	}
	if c.Database == (Database{}) {
		c.Database = Database{Engine: SQLite, Path: filepath.Join(c.Data, "hookferry.db")}
	}
	if len(fileFaults) == 0 { // a broken file may contain the missing half
		faults = append(faults, c.contradictions(faulty)...)
	}
	if len(faults) > 0 {
		return Config{}, faults
	}
	return c, nil
}

// readSetting reads one setting into its field, and returns what is wrong with it, if anything is.
func (c *Config) readSetting(d declaration, from layers) (fault string) {
	found, fault := from.find(d)
	if fault != "" {
		return fault
	}
	if !found.set {
		found.text = d.defaultFor(c.Dev)
		if found.text == "" {
			return ""
		}
	}
	if err := d.value.read(found.text); err != nil {
		return found.sentence(d, err)
	}
	if found.set {
		c.origins[d.name] = found.source
	}
	return ""
}

// Warnings returns sentences about variables that may have been meant as settings.
func (c Config) Warnings() []string { return c.warnings }

// given reports whether a source sets a setting.
func (c Config) given(name string) bool { return c.origins[name] != "" }

// RetryPolicy returns the retry schedule of deliveries whose subscription has none of its own. If
// WEBHOOK_RETRY_SCHEDULE is set, but not WEBHOOK_MAX_RETRIES, it is the whole schedule.
func (c Config) RetryPolicy() event.RetryPolicy {
	if c.given("WEBHOOK_RETRY_SCHEDULE") && !c.given("WEBHOOK_MAX_RETRIES") {
		return c.RetrySchedule
	}
	if c.RetryDelay > 0 {
		return event.Exponential(c.RetryDelay, c.MaxRetries)
	}
	return event.RetryPolicy(c.RetrySchedule).WithRetries(c.MaxRetries)
}
