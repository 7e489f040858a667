package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/plugin/config"
)

// ImportJournal carries the journal in the directory over into the empty stream that the
// configuration names. The journal stays as it is.
func ImportJournal(ctx context.Context, c *config.Config, dir string, logger *slog.Logger, progress func(jetstream.Imported)) (jetstream.Imported, error) {
	var none jetstream.Imported
	if !c.Journal.Shared() {
		return none, errors.New("journal.nats.url is not set: an import goes into the stream of journal.nats")
	}
	if _, err := os.Stat(filepath.Join(dir, "journal.db")); errors.Is(err, fs.ErrNotExist) {
		return none, fmt.Errorf("there is no journal in %s: it has no file journal.db", dir)
	}
	log, err := disk.Open(ctx, disk.Options{Dir: dir, MaxBytes: int64(c.Journal.MaxBytes), Logger: logger})
	switch {
	case errors.Is(err, disk.ErrInUse):
		return none, fmt.Errorf("%w: stop the bridge that runs on it, or what comes in meanwhile would be left behind", err)
	case err != nil:
		return none, err
	}
	done, err := importInto(ctx, c, log.Export(), logger, progress)
	return done, errors.Join(err, log.Close())
}

func importInto(ctx context.Context, c *config.Config, from disk.Export, logger *slog.Logger, progress func(jetstream.Imported)) (jetstream.Imported, error) {
	n, err := NATS(c)
	if err == nil {
		n.Options = jetstream.Options{MaxBytes: int64(c.Journal.MaxBytes), Logger: logger}
		var done jetstream.Imported
		if done, err = jetstream.Import(ctx, n, from, progress); err == nil {
			return done, nil
		}
	}
	if errors.Is(err, jetstream.ErrNotEmpty) {
		err = fmt.Errorf("%w. If that is this journal, imported before, start the bridges. If bridges have run on it before the import: "+
			"keep it and leave the journal behind, which tells clients of a gap; or stop the bridges, remove the stream, which loses what has come since "+
			"(nats stream rm %s-log), and import then", err, c.Journal.NATS.Name)
	}
	return jetstream.Imported{}, fmt.Errorf("journal.nats: %w", err)
}
