package bridge_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// A turnsLog hands the turns that it gives to the test.
type turnsLog struct {
	journal.Log
	turns chan journal.Writer
	err   error // what Err returns; guarded by the turn's end
}

func (l *turnsLog) Lead(ctx context.Context) (journal.Writer, error) {
	w, err := l.Log.Lead(ctx)
	if err == nil {
		l.turns <- w
	}
	return w, err
}

func (l *turnsLog) Err() error { return l.err }

// start runs a bridge without a broker on the log, and returns it and what Run will return.
func start(t *testing.T, ctx context.Context, log journal.Log) (*bridge.Bridge, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.New(bridge.Config{
		MQTT:     mqtt.Config{URLs: []*url.URL{{Scheme: "mqtt", Host: "127.0.0.1:1"}}, ClientID: "test"},
		Log:      log,
		Server:   server.Config{Policy: server.Policy{Auth: auth.Anonymous{}}},
		Listener: l,
		Mapper:   mapping.Compile(nil, mapping.Options{}, new(source.Report)),
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return b, ended
}

// A bridge whose turn to write ends stands by until it has the next, and goes on serving clients.
func TestAnIntakeForEachTurn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := &turnsLog{Log: journal.NewMemory(journal.MemoryOptions{}), turns: make(chan journal.Writer)}
	b, ended := start(t, ctx, log)
	want := []bridge.Reason{
		{Part: bridge.PartMQTT, Text: "mqtt: not connected"},
		{Part: bridge.PartMQTT, Text: "mqtt, sending connection: not connected"},
	}
	if diff := cmp.Diff(want, b.Ready()); diff != "" {
		t.Errorf("ready before the first turn (-want +got):\n%s", diff)
	}
	first := <-log.turns
	first.Resign()
	second := <-log.turns
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	select {
	case <-second.Done():
	default:
		t.Error("the bridge has ended and still has its turn")
	}
}

// An awayLog cannot be read, except when it is back.
type awayLog struct {
	turnsLog
	back chan struct{} // a token for each Latest that shall succeed
}

func (l *awayLog) Latest(context.Context, string, uint64, int) ([]journal.Entry, error) {
	select {
	case <-l.back:
		return nil, nil
	default:
		return nil, journal.ErrAway
	}
}

// What must be read of the log is read before the turn. From then on, that the log cannot be read
// keeps nobody from leading.
func TestATurnWhileTheLogIsAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := &awayLog{turnsLog{Log: journal.NewMemory(journal.MemoryOptions{}), turns: make(chan journal.Writer)}, make(chan struct{})}
	b, ended := start(t, ctx, log)
	var w journal.Writer
	select {
	case log.back <- struct{}{}:
		w = <-log.turns
	case w = <-log.turns:
		t.Error("the bridge leads before it has read the log")
	}
	bridgetest.Eventually(t, "the intake", func() bool { return b.Memory() != nil })
	select {
	case <-w.Done():
		t.Error("the turn is over, since the log cannot be read")
	default:
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTheEndOfTheLogEndsTheBridge(t *testing.T) {
	log := &turnsLog{Log: journal.NewMemory(journal.MemoryOptions{}), turns: make(chan journal.Writer)}
	_, ended := start(t, t.Context(), log)
	w := <-log.turns
	log.err = errors.New("input/output error")
	w.Resign()
	if err := <-ended; !errors.Is(err, log.err) {
		t.Errorf("got %v, want %v", err, log.err)
	}
}
