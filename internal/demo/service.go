package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// service is a running service with its own database.
type service struct {
	Service
	log   *os.File
	end   context.CancelFunc
	ended chan error
}

// settings returns the settings of the demo. With the defaults, its retries would take half an
// hour.
func settings(p pace) []string {
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

// startService starts the service. It calls fail if the service stops by itself.
func startService(ctx context.Context, o Options, dir string, p pace, fail context.CancelCauseFunc) (*service, error) {
	s := &service{ended: make(chan error, 1)}
	var err error
	if s.log, err = os.Create(filepath.Join(dir, "service.log")); err != nil {
		return nil, fmt.Errorf("create the service's log: %w", err)
	}
	if s.Service, err = o.Start(ctx, settings(p), dir, s.log); err != nil {
		s.log.Close()
		return nil, err
	}
	// It outlives ctx, so that the service stops in order.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	s.end = end
	go func() {
		err := s.Run(running)
		if running.Err() == nil {
			fail(fmt.Errorf("the service stopped by itself: %v", err))
			err = nil // already reported
		}
		s.ended <- err
	}()
	return s, nil
}

func (s *service) url() string   { return "http://" + s.Addr() }
func (s *service) admin() string { return "http://" + s.AdminAddr() }

// stop stops the service and waits until it has stopped.
func (s *service) stop() error {
	s.end()
	select {
	case err := <-s.ended:
		s.log.Close()
		return err
	case <-time.After(time.Minute):
		return fmt.Errorf("the service did not stop within a minute; its log is %s", s.log.Name())
	}
}
