package deploy_test

import (
	"context"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hookferry/hookferry/internal/config"
	"github.com/hookferry/hookferry/internal/event"
	"github.com/hookferry/hookferry/internal/telemetry"
)

// slack is how long after its grace period the service may take to record the last outcomes and to
// close the database.
const slack = 10 * time.Second

// TestGracePeriodFits: the service stops by itself within HOOKFERRY_SHUTDOWN_GRACE, so each
// platform must wait for longer before it kills the service.
func TestGracePeriodFits(t *testing.T) {
	cfg, err := config.Load(nil, "", config.Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ reason, file, pattern string }{
		{"compose", "../compose.yaml", `stop_grace_period: (\d+)s`},
		{"Render", "render.yaml", `maxShutdownDelaySeconds: (\d+)`},
		{"systemd", "hookferry.service", `TimeoutStopSec=(\d+)`},
	} {
		for _, wait := range seconds(t, c.file, c.pattern) {
			if wait < cfg.ShutdownGrace+slack {
				t.Errorf("%s waits for %v, and the grace period is %v: wait for at least %v longer", c.reason, wait, cfg.ShutdownGrace, slack)
			}
		}
	}
	if grace := seconds(t, "../compose.yaml", `HOOKFERRY_SHUTDOWN_GRACE: (\d+)s`)[0]; grace > cfg.ShutdownGrace {
		t.Errorf("compose.yaml sets the grace period to %v; this test expects the default, %v", grace, cfg.ShutdownGrace)
	}
}

// TestKubernetesWaitsForTheGrace: one value of the chart sets both times.
func TestKubernetesWaitsForTheGrace(t *testing.T) {
	const template = chart + "templates/deployments.yaml"
	more := seconds(t, template, `terminationGracePeriodSeconds: \{\{ add \(int \$\.Values\.shutdownGraceSeconds\) (\d+) \}\}`)[0]
	if more < slack {
		t.Errorf("Kubernetes waits for %v beyond the grace period, want at least %v", more, slack)
	}
	if !strings.Contains(read(t, template), "- name: HOOKFERRY_SHUTDOWN_GRACE\n              value: {{ int $.Values.shutdownGraceSeconds }}s\n") {
		t.Error("shutdownGraceSeconds does not set the grace period of the service")
	}
}

// seconds returns the numbers of seconds that the pattern matches, at least one.
func seconds(t *testing.T, file, pattern string) (all []time.Duration) {
	t.Helper()
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1) {
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Duration(n)*time.Second)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no match for %s", file, pattern)
	}
	return all
}

// TestTheScaledMetricExists checks that the service has the metric by which the chart scales the
// workers.
func TestTheScaledMetricExists(t *testing.T) {
	depth := func(context.Context) (event.Depth, error) { return event.Depth{Due: 1, OldestDue: time.Minute}, nil }
	answer := httptest.NewRecorder()
	telemetry.NewMetrics("test", depth).Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))

	for _, file := range []string{chart + "templates/autoscaling.yaml", chart + "values.yaml"} {
		name := regexp.MustCompile(`hookferry_[a-z_]+`).FindString(read(t, file))
		if name == "" || !strings.Contains(answer.Body.String(), "\n"+name+" 60\n") {
			t.Errorf("%s scales by %q, which is not a metric", file, name)
		}
	}
}
