package jetstream

import (
	"fmt"
	"slices"

	"mqtt-stomp-bridge/bridge/journal"
)

// decode returns the block in the data, see block.
func (l *Log) decode(data []byte) (*block, error) { return decode(data, l.formats) }

// formatError says which version is too old.
func formatError(format int, readable []int) error {
	if format > readable[len(readable)-1] {
		return fmt.Errorf("%w (it is %d, not one of %v): it is too old; update this replica", errFormat, format, readable)
	}
	return fmt.Errorf("%w (it is %d, not one of %v): the version that wrote it is too old; "+
		"run one between them first, for as long as journal.max_age says", errFormat, format, readable)
}

// format returns the one to write. Until all that are present must have been heard it is the newest
// block's, which whoever follows the log reads; in an empty log the oldest.
func (l *Log) format() int {
	l.mu.RLock()
	newest := l.state.format
	l.mu.RUnlock()
	if !l.roster.complete() {
		return max(newest, l.formats[0])
	}
	return writable(l.formats, l.roster.present(l.roster.lately().Replica))
}

// writable returns the newest of the formats that all replicas read, or the oldest if there is none.
func writable(formats []int, replicas []journal.Replica) int {
	for _, f := range slices.Backward(formats) {
		if !slices.ContainsFunc(replicas, func(r journal.Replica) bool { return !slices.Contains(r.Formats, f) }) {
			return f
		}
	}
	return formats[0]
}
