// Package config holds the service's settings: each declared once, with its type
// and unit, its default, its meaning and who uses it.
//
// Settings come from the command line's flags, the environment and a .env file,
// in this order. Load reads and checks them all and says everything that is wrong
// at once. The package opens nothing and starts nothing; what a setting does is
// its user's matter.
//
// Start with the declarations in settings.go, then Load below.
package config

import (
	"net/netip"
	"path/filepath"
	"time"

	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/seal"
)

// Config is every setting as it is in force. settings.go says what each means.
type Config struct {
	// Dev is set by --dev alone. It changes defaults, and makes the service
	// refuse to be reachable from other machines.
	Dev bool

	Data     string // a directory
	Database Database
	// ReadDatabase is a replica for status and list queries; its Engine is "" if
	// there is none.
	ReadDatabase Database
	Redis        event.Secret // a URL that may hold a password; "": there is none
	Retention    time.Duration

	MaxRetries    int
	RetryDelay    time.Duration // 0: RetrySchedule counts
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
	AdminAddr     string       // "": no admin address
	APIKey        event.Secret // "": none was given
	MasterKeys    seal.Ring    // no keys: secrets are kept as they are
	MaxBody       int64        // bytes
	ShutdownGrace time.Duration

	MaxConnections  int
	MaxPending      int // deliveries
	MaxPendingOfOne int // deliveries of one subscription

	LogLevel  string // DEBUG, INFO, WARN or ERROR
	LogFormat string // auto, text or json
	// LogAttempts is which attempts are logged: failures or all.
	LogAttempts string

	warnings []string
	origins  map[string]Source // where the settings come from that aren't defaults
}

// Overrides are what flags say. An empty text is a flag that was not given.
type Overrides struct {
	Addr      string // --addr
	AdminAddr string // --admin-addr
	Data      string // --data
	Role      string // --role
	Dev       bool   // --dev
}

// Load reads the settings from the flags, the environment (as os.Environ gives
// it) and the .env file, where there is one; an empty dotEnvPath reads none. Its
// error is of the type Faults.
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
		if fault := c.take(d, from); fault != "" {
			faults = append(faults, fault)
			faulty[d.name] = true
		}
	}
	if c.Database == (Database{}) {
		c.Database = Database{Engine: SQLite, Path: filepath.Join(c.Data, "hookferry.db")}
	}
	if len(fileFaults) == 0 { // else who knows what the file was to say
		faults = append(faults, c.contradictions(faulty)...)
	}
	if len(faults) > 0 {
		return Config{}, faults
	}
	return c, nil
}

// take reads one setting into its field, and says what is wrong with it, if
// anything is.
func (c *Config) take(d declaration, from layers) (fault string) {
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

// Warnings are sentences about variables that may have been meant for settings.
func (c Config) Warnings() []string { return c.warnings }

// given reports whether a setting was set anywhere.
func (c Config) given(name string) bool { return c.origins[name] != "" }

// RetryPolicy is when a delivery is tried again, unless its subscription says
// otherwise. A schedule that is given is taken whole, unless the number of retries
// is given too.
func (c Config) RetryPolicy() event.RetryPolicy {
	if c.given("WEBHOOK_RETRY_SCHEDULE") && !c.given("WEBHOOK_MAX_RETRIES") {
		return c.RetrySchedule
	}
	if c.RetryDelay > 0 {
		return event.Exponential(c.RetryDelay, c.MaxRetries)
	}
	return event.RetryPolicy(c.RetrySchedule).WithRetries(c.MaxRetries)
}
