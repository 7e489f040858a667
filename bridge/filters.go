package bridge

import (
	"context"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// recordsFilter begins the names of the records below: one for each topic filter that the broker's
// session may hold.
const recordsFilter = "filter/"

// filterMemory is how long a topic filter is remembered after the last start or reload that wanted
// it: longer than brokers keep the session of a bridge that is away.
const filterMemory = 365 * 24 * time.Hour

// filters are the topic filters that the rules need.
func filters(m *mapping.Mapper) []mqtt.Filter {
	var all []mqtt.Filter
	for _, f := range m.Filters() {
		all = append(all, mqtt.Filter{Topic: f.Topic})
	}
	return all
}

// knownFilters returns the topic filters that earlier processes have asked for: the broker's
// session outlives them, with subscriptions that no rule may want any more.
func knownFilters(log journal.Writer) ([]string, error) {
	var topics []string
	err := log.Records(recordsFilter, func(m journal.Record) bool {
		topics = append(topics, strings.TrimPrefix(m.Name, recordsFilter))
		return true
	})
	return topics, err
}

// rememberFilters notes in the log what the session is about to hold.
func rememberFilters(ctx context.Context, log journal.Writer, filters []mqtt.Filter) error {
	var b journal.Batch
	for _, f := range filters {
		b.Records = append(b.Records, journal.Record{Name: recordsFilter + f.Topic, Expires: time.Now().Add(filterMemory)})
	}
	return log.Append(ctx, b)
}
