package mqtt

import (
	"errors"
	"fmt"
	"strings"
)

// retainHandling asks for retained copies when a subscription is new (1) or never (2).
func retainHandling(f Filter) byte {
	if f.SkipRetained {
		return 2
	}
	return 1
}

func checkFilters(filters []Filter) error {
	var errs []error
	for _, f := range filters {
		errs = append(errs, checkFilter(f.Topic))
	}
	return errors.Join(errs...)
}

// checkFilter reports what is wrong with a topic filter (MQTT 5, 4.7). The broker
// would end the connection for it.
func checkFilter(filter string) error {
	if filter == "" || len(filter) > maxString || filter != text(filter) {
		return fmt.Errorf("topic filter %.100q: must be 1 to %d bytes of UTF-8 without control characters", filter, maxString)
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if level == "+" || level == "#" && i == len(levels)-1 {
			continue
		}
		if strings.ContainsAny(level, "+#") {
			return fmt.Errorf("topic filter %q: + and # must be a whole level, # the last", filter)
		}
	}
	return nil
}

// match reports whether topic matches filter (MQTT 5, 4.7).
func match(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		f, filterRest, moreFilter := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		t, topicRest, moreTopic := strings.Cut(topic, "/")
		if f != "+" && f != t {
			return false
		}
		if !moreFilter || !moreTopic {
			return moreFilter == moreTopic || filterRest == "#"
		}
		filter, topic = filterRest, topicRest
	}
}
