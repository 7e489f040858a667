package server

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// How many lines refusals may log: clients could cause any number of them.
const (
	refusalsLogged  = 3           // of a cause and an address, in each refusalWindow
	refusalWindow   = time.Second // then how many more there were
	maxRefusalCount = 1024        // causes and addresses that are told apart; all others count as one address
)

// A refusalLog logs refusals. Of each kind and address, it logs the first few at once and of the
// rest only their number.
type refusalLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	recent map[refusalKey]*recentRefusals
}

type refusalKey struct {
	cause   string
	network netip.Addr // an auth.ClientNet
}

type recentRefusals struct {
	n     int
	timer *time.Timer // ends the window
}

func newRefusalLog(l *slog.Logger) *refusalLog {
	return &refusalLog{logger: l, recent: map[refusalKey]*recentRefusals{}}
}

// add logs a line about a refusal, or counts it.
func (l *refusalLog) add(level slog.Level, cause, remote, message string, attrs ...any) {
	if l.count(refusalKey{cause, auth.ClientNet(address(remote))}) {
		l.logger.Log(context.Background(), level, message, attrs...)
	}
}

// count counts a refusal and reports whether it is one of the first in its window.
func (l *refusalLog) count(key refusalKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.recent[key]
	if r == nil && len(l.recent) >= maxRefusalCount {
		key.network = netip.Addr{}
		r = l.recent[key]
	}
	if r == nil {
		r = &recentRefusals{}
		r.timer = time.AfterFunc(refusalWindow, func() { l.endWindow(key) })
		l.recent[key] = r
	}
	r.n++
	return r.n <= refusalsLogged
}

func (l *refusalLog) endWindow(key refusalKey) {
	l.mu.Lock()
	r := l.recent[key]
	delete(l.recent, key)
	l.mu.Unlock()
	if r == nil || r.n <= refusalsLogged {
		return
	}
	attrs := []slog.Attr{slog.String("reason", key.cause), slog.Int("more", r.n-refusalsLogged)}
	if key.network.IsValid() {
		attrs = append(attrs, slog.String("remote", key.network.String()))
	}
	l.logger.LogAttrs(context.Background(), slog.LevelWarn, "more of these were refused", attrs...)
}

// close ends all windows.
func (l *refusalLog) close() {
	l.mu.Lock()
	var keys []refusalKey
	for key, r := range l.recent {
		r.timer.Stop()
		keys = append(keys, key)
	}
	l.mu.Unlock()
	for _, key := range keys {
		l.endWindow(key)
	}
}
