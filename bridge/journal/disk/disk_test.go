package disk_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/journal/journaltest"
)

// opener returns an Opener that gives every test a directory, and in it one to every name.
func opener() journaltest.Opener {
	var dirs sync.Map // test -> directory
	return func(t *testing.T, name string, o journaltest.Options) journal.Log {
		dir, ok := dirs.Load(t.Name())
		if !ok {
			dir, _ = dirs.LoadOrStore(t.Name(), t.TempDir())
		}
		return mustOpen(t, disk.Options{
			Dir: filepath.Join(dir.(string), name), MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, Latest: o.Latest, Now: o.Now,
		})
	}
}

func mustOpen(t *testing.T, o disk.Options) *disk.Log {
	t.Helper()
	l, err := disk.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l
}

// appendTo leads for one Append.
func appendTo(ctx context.Context, l journal.Log, b journal.Batch) error {
	w, err := l.Lead(ctx)
	if err != nil {
		return err
	}
	defer w.Resign()
	return w.Append(ctx, b)
}

func mustLead(t testing.TB, l journal.Log) journal.Writer {
	t.Helper()
	w, err := l.Lead(t.Context())
	if err != nil {
		t.Fatalf("Lead: %v", err)
	}
	return w
}

func TestLog(t *testing.T)        { journaltest.Run(t, opener()) }
func TestLogDurable(t *testing.T) { journaltest.RunDurable(t, opener()) }
func TestLogLead(t *testing.T)    { journaltest.RunLead(t, opener()) }
func TestLogClock(t *testing.T)   { journaltest.RunClock(t, opener()) }

func TestLogDurableClock(t *testing.T) { journaltest.RunDurableClock(t, opener()) }
