package disk_test

import (
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

func TestLog(t *testing.T)        { journaltest.Run(t, opener()) }
func TestLogDurable(t *testing.T) { journaltest.RunDurable(t, opener()) }
func TestLogClock(t *testing.T)   { journaltest.RunClock(t, opener()) }
