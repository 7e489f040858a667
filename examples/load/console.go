//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// startUntrailedBridge starts a bridge that keeps nothing of events and sessions to tell of them.
func (b *bench) startUntrailedBridge(ctx context.Context, s *subject) error {
	s.opsKeys = ", trail: 0"
	return b.startBridge(ctx, s)
}

// startWatchedBridge starts a bridge whose console is open on the page of events, with payloads.
func (b *bench) startWatchedBridge(ctx context.Context, s *subject) error {
	s.opsKeys = ", show_payloads: true"
	if err := b.startBridge(ctx, s); err != nil {
		return err
	}
	watching, stop := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(watching, http.MethodGet, "http://"+s.ops+"/console/api/live?after=0", nil)
	if err != nil {
		stop()
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		err = errors.New(response.Status)
	}
	if err != nil {
		stop()
		return fmt.Errorf("opening the console: %w", err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer response.Body.Close()
		_, err := io.Copy(io.Discard, response.Body)
		if watching.Err() == nil {
			fmt.Fprintln(b.stderr, "the console has ended:", err)
		}
	})
	s.onStop(func() {
		stop()
		reading.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return nil
}
