package server

import (
	"slices"
	"strings"

	"mqtt-stomp-bridge/bridge/stomp"
)

// known are the headers whose name or value may be wrong for a blank alone.
var known = []string{
	"accept-version", "ack", "conflate", "destination", "filter", "id", "message-id", "prefetch-count",
	"resume-from", "snapshot", "subscription",
}

// withBlanks adds to an error about the frame that a header has a blank where STOMP takes it for a
// part of the header, if one has: it does not show in a client's own log.
func withBlanks(err *stomp.Error, f *stomp.Frame) *stomp.Error {
	if f == nil {
		return err
	}
	for _, h := range f.Headers {
		name := strings.TrimSpace(h.Key)
		if !slices.Contains(known, name) {
			continue
		}
		if hint := blankAround(name, h); hint != "" {
			hint += ", which belongs to it from STOMP 1.1 on"
			if err.Detail != "" {
				hint = err.Detail + "; " + hint
			}
			return &stomp.Error{Message: err.Message, Detail: hint}
		}
	}
	return err
}

// blankAround says where the header has a blank, "" where it has none.
func blankAround(name string, h stomp.Header) string {
	switch {
	case h.Key != name:
		return "the name of the header " + name + " begins or ends with a space"
	case strings.TrimLeft(h.Value, " \t") != h.Value:
		return "the value of the header " + name + " begins with a space"
	case strings.TrimRight(h.Value, " \t") != h.Value:
		return "the value of the header " + name + " ends with a space"
	}
	return ""
}
