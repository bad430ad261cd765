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

// slack is what the service gets beyond its grace, to record what ended last and to close
// the database.
const slack = 10 * time.Second

// TestNobodyKillsTooEarly: the service stops by itself within HOOKFERRY_SHUTDOWN_GRACE,
// and whoever runs it must wait for longer.
func TestNobodyKillsTooEarly(t *testing.T) {
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
				t.Errorf("%s waits for %v, and the grace is %v: add %v at least", c.reason, wait, cfg.ShutdownGrace, slack)
			}
		}
	}
	if grace := seconds(t, "../compose.yaml", `HOOKFERRY_SHUTDOWN_GRACE: (\d+)s`)[0]; grace > cfg.ShutdownGrace {
		t.Errorf("compose.yaml makes the grace %v, and this test knows only of %v", grace, cfg.ShutdownGrace)
	}
}

// TestKubernetesWaitsForTheGrace: both times are made of one value.
func TestKubernetesWaitsForTheGrace(t *testing.T) {
	const template = chart + "templates/deployments.yaml"
	more := seconds(t, template, `terminationGracePeriodSeconds: \{\{ add \(int \$\.Values\.shutdownGraceSeconds\) (\d+) \}\}`)[0]
	if more < slack {
		t.Errorf("Kubernetes waits for %v beyond the grace, want %v at least", more, slack)
	}
	if !strings.Contains(read(t, template), "- name: HOOKFERRY_SHUTDOWN_GRACE\n              value: {{ int $.Values.shutdownGraceSeconds }}s\n") {
		t.Error("the service's grace is not made of shutdownGraceSeconds")
	}
}

// seconds finds a pattern with a number of seconds, once at least.
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
		t.Fatalf("%s has nothing like %s", file, pattern)
	}
	return all
}

// TestTheScaledMetricExists asks the metrics themselves for the one that the number of
// workers follows.
func TestTheScaledMetricExists(t *testing.T) {
	depth := func(context.Context) (event.Depth, error) { return event.Depth{Due: 1, OldestDue: time.Minute}, nil }
	answer := httptest.NewRecorder()
	telemetry.NewMetrics("test", depth).Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))

	for _, file := range []string{chart + "templates/autoscaling.yaml", chart + "values.yaml"} {
		name := regexp.MustCompile(`hookferry_[a-z_]+`).FindString(read(t, file))
		if name == "" || !strings.Contains(answer.Body.String(), "\n"+name+" 60\n") {
			t.Errorf("%s scales by %q, which is no metric", file, name)
		}
	}
}
