package journal_test

import (
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/journaltest"
)

func openMemory(_ *testing.T, _ string, o journaltest.Options) journal.Log {
	return journal.NewMemory(journal.MemoryOptions(o))
}

func TestMemory(t *testing.T) { journaltest.Run(t, openMemory) }

func TestMemoryLead(t *testing.T) { journaltest.RunLead(t, openMemory) }

func TestMemoryClock(t *testing.T) { journaltest.RunClock(t, openMemory) }
