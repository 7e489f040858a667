package commit

import (
	"context"
	"errors"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// appendPause is the time between two attempts to append.
const appendPause = time.Second

// append commits the batch. While there is no room it tries again until ctx is done: the events stay with the broker, and
// after the second failure the connection is closed on purpose, since a handler that blocks would have it flap. Any other
// error of the log is final: what lies in it is uncertain until it is opened again, so Run ends.
func (c *Committer) append(ctx context.Context, commit journal.Batch) error {
	if len(commit.Entries)+len(commit.Records) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := c.store.Append(ctx, commit)
		switch {
		case err == nil:
			c.appended()
			return nil
		case !errors.Is(err, journal.ErrFull):
			return err
		}
		if c.stalled.Swap(&err) == nil {
			c.logger.Error("no room for the journal; events stay with the broker until there is", "error", err)
		}
		if attempt == 2 {
			c.pauser.Pause(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(appendPause):
		}
	}
}

// appended takes back what append did about a full disk.
func (c *Committer) appended() {
	if c.stalled.Swap(nil) != nil {
		c.logger.Info("there is room for the journal again")
		c.pauser.Resume()
	}
}
