package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hookferry/hookferry/internal/app"
	"github.com/hookferry/hookferry/internal/config"
)

// demoService is the real service, as `hookferry serve --dev` would start it, on a
// database of its own.
type demoService struct {
	app   *app.App
	log   *os.File
	end   context.CancelFunc
	ended chan error
}

// demoSettings are the settings that the demonstration changes: its retries would
// take half an hour otherwise.
func demoSettings(p pace) []string {
	schedule := make([]string, len(p.retries))
	for i, d := range p.retries {
		schedule[i] = d.String()
	}
	return []string{
		"HOOKFERRY_ADMIN_ADDR=127.0.0.1:0",
		"HOOKFERRY_LOG_FORMAT=text",
		"HOOKFERRY_SHUTDOWN_GRACE=" + p.timeout.String(),
		"WEBHOOK_TIMEOUT=" + p.timeout.String(),
		"WEBHOOK_RETRY_SCHEDULE=" + strings.Join(schedule, ","),
		fmt.Sprintf("WEBHOOK_MAX_RETRIES=%d", len(schedule)),
	}
}

// startDemoService starts the service. It calls fail if the service ends by itself.
func startDemoService(ctx context.Context, dir string, p pace, fail context.CancelCauseFunc) (*demoService, error) {
	cfg, err := config.Load(demoSettings(p), "", config.Overrides{Addr: "127.0.0.1:0", Data: dir, Dev: true})
	if err != nil {
		return nil, err
	}
	s := &demoService{ended: make(chan error, 1)}
	if s.log, err = os.Create(filepath.Join(dir, "service.log")); err != nil {
		return nil, fmt.Errorf("make the service's log: %w", err)
	}
	if s.app, err = app.New(ctx, cfg, Version(), app.NewLogger(s.log, cfg)); err != nil {
		s.log.Close()
		return nil, err
	}
	// It outlives ctx, so that it stops in order.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	go func() {
		err := s.app.Run(running)
		if running.Err() == nil {
			fail(fmt.Errorf("the service ended by itself: %v", err))
			err = nil // it is told
		}
		s.ended <- err
	}()
	return s, nil
}

func (s *demoService) url() string   { return "http://" + s.app.Addr() }
func (s *demoService) admin() string { return "http://" + s.app.AdminAddr() }

// stop ends the service and waits until it has.
func (s *demoService) stop() error {
	s.end()
	select {
	case err := <-s.ended:
		s.log.Close()
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("the service did not stop within a minute; its log is %s", s.log.Name())
	}
}
