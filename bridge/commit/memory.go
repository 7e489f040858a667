package commit

import (
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping/memory"
)

// loadMemory reads what an earlier Committer has left in the store.
func loadMemory(store Store) (*memory.Store, error) {
	m := memory.New()
	for _, prefix := range memory.Prefixes() {
		err := store.Records(prefix, func(r journal.Record) bool {
			m.Load(memory.Record(r))
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// toJournal returns the records as the journal takes them.
func toJournal(records []memory.Record) []journal.Record {
	of := make([]journal.Record, len(records))
	for i, r := range records {
		of[i] = journal.Record(r)
	}
	return of
}
