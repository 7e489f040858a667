package commit

import (
	"context"
	"errors"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

// appendPause is the time between two attempts to append.
const appendPause = time.Second

// append commits the batch. While there is no room it tries again until ctx is done. Any other
// error is final: what the log holds of the batch is not known.
func (c *Committer) append(ctx context.Context, b journal.Batch) error {
	if len(b.Entries)+len(b.Records)+len(b.Drop) == 0 {
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := c.store.Append(ctx, b)
		switch {
		case err == nil:
			c.appended()
			return nil
		case !errors.Is(err, journal.ErrFull):
			return err
		}
		if c.stalled.Swap(&err) == nil {
			c.logger.Error("no room to write the journal; events stay with the broker until there is", "error", err)
		}
		// The first failure may be over in a second. After the second the receiving connection is
		// closed on purpose: events that nobody takes keep it from reading the answers to its
		// pings, so it would break and come back all the time.
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
		c.logger.Info("the journal has room again")
		c.pauser.Resume()
	}
}
