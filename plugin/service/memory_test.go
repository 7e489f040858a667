package service_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/plugin/service"
)

func TestCollectAfterRush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var opened, collections atomic.Int64
		go service.CollectAfterRush(ctx, opened.Load, func() { collections.Add(1) })
		for _, step := range []struct {
			sessions int64 // that come in this pause
			want     int64 // collections by its end
		}{
			{0, 0}, {900, 0}, {0, 0}, {200, 0}, {60, 0}, {10, 1}, {0, 1}, {5000, 1}, {0, 2}, {999, 2}, {0, 2}, {1, 3}, {0, 3},
		} {
			opened.Add(step.sessions)
			time.Sleep(service.Pause)
			synctest.Wait()
			if got := collections.Load(); got != step.want {
				t.Errorf("after %d sessions, %d of them new: %d collections, want %d", opened.Load(), step.sessions, got, step.want)
			}
		}
	})
}
