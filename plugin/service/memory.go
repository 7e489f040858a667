package service

import (
	"context"
	"time"
)

// A rush is many sessions that came at once. Handshakes leave garbage and deep stacks, which stay
// resident until collections that idle sessions give no cause for.
const (
	rush  = 1000            // sessions since the last collection that are worth one
	quiet = 50              // sessions in a pause: no more, or the rush goes on
	pause = 2 * time.Second // between two looks
)

// collectAfterRush calls collect when many sessions have come and no more do. opened tells how many
// there were so far.
func collectAfterRush(ctx context.Context, opened func() int64, collect func()) {
	looks := time.NewTicker(pause)
	defer looks.Stop()
	var before, collected int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-looks.C:
		}
		now := opened()
		if now-collected >= rush && now-before <= quiet {
			collect()
			collected = now
		}
		before = now
	}
}
