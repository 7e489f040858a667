package commit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/mapping"
)

// publishFunc is a publisher.
type publishFunc func(context.Context, mqtt.Message) error

func (f publishFunc) Publish(ctx context.Context, m mqtt.Message) error { return f(ctx, m) }

func newTestLetters(t *testing.T, out publishFunc, logger *slog.Logger) *deadLetters {
	t.Helper()
	d, err := newDeadLetters(out, lead(t, journal.NewMemory(journal.MemoryOptions{})), "base", logger)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func letter(payload string) deadLetter {
	return deadLetter{
		event: &mqtt.Event{Topic: "a/b", Payload: []byte(payload), QoS: 1, Received: time.Date(2026, 1, 27, 10, 0, 0, 5e6, time.UTC)},
		rejections: []mapping.Rejection{{Rule: "r", Stage: "fields", Field: "id", Item: 2, File: "config.yaml", Line: 7, Kind: "not a UUID",
			Reason: `"nope" is not a UUID`}},
	}
}

func TestDeadLetterMessage(t *testing.T) {
	got := letter("payload").message("base")
	want := mqtt.Message{Topic: "base/dead-letter/r", Payload: []byte("payload"), QoS: 1, User: []mqtt.UserProperty{
		{Name: "mqtt-stomp-bridge", Value: "dead-letter"}, {Name: "reason", Value: `"nope" is not a UUID`}, {Name: "rule", Value: "r"}, {Name: "stage", Value: "fields"},
		{Name: "field", Value: "id"}, {Name: "item", Value: "2"}, {Name: "line", Value: "config.yaml:7"}, {Name: "topic", Value: "a/b"},
		{Name: "qos", Value: "1"}, {Name: "retained", Value: "false"}, {Name: "time", Value: "2026-01-27T10:00:00.005Z"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDeadLetterKeepsTheTrace(t *testing.T) {
	l := letter("payload")
	l.event.User = []mqtt.UserProperty{{Name: "traceparent", Value: trace}, {Name: "other", Value: "x"}}
	want := mqtt.UserProperty{Name: "traceparent", Value: trace}
	if got := l.message("base").User; !slices.Contains(got, want) {
		t.Errorf("%v lacks %v", got, want)
	}
}

func TestDeadLettersUntilAcknowledged(t *testing.T) {
	refused := &mqtt.RefusedError{Topic: "base/dead-letter/r", Code: 0x87, Reason: "Not authorized"}
	for _, test := range []struct {
		name    string
		answers []error // in turn; the last for all that follow
		want    DeadLetterCounts
	}{
		{"at once", []error{nil}, DeadLetterCounts{Published: 1}},
		{"after a while", []error{errors.New("connection lost"), errors.New("connection lost"), nil}, DeadLetterCounts{Published: 1}},
		{"refused for good", []error{refused}, DeadLetterCounts{Refused: 1, Kept: 1}},
		{"a broker that hangs up on it each time", []error{errors.New("connection lost")}, DeadLetterCounts{Refused: 1, Kept: 1}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var attempt atomic.Int32
			d := newTestLetters(t, publishFunc(func(context.Context, mqtt.Message) error {
				n := int(attempt.Add(1))
				return test.answers[min(n, len(test.answers))-1]
			}), slog.New(slog.DiscardHandler))
			if err := d.publish(t.Context(), []deadLetter{letter("x")}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, d.counts()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		})
	}
}

func TestDeadLettersStopAtShutdown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := newTestLetters(t, publishFunc(func(ctx context.Context, _ mqtt.Message) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}), slog.New(slog.DiscardHandler))
	if err := d.publish(ctx, []deadLetter{letter("x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v: the event must not be acknowledged", err)
	}
	if got := d.counts(); got != (DeadLetterCounts{}) {
		t.Errorf("got %+v", got)
	}
}

func TestKeptDeadLettersAreBounded(t *testing.T) {
	d := newTestLetters(t, publishFunc(func(context.Context, mqtt.Message) error { return &mqtt.RefusedError{} }), slog.New(slog.DiscardHandler))
	big := letter(strings.Repeat("x", 1<<20))
	for range 40 {
		d.publish(t.Context(), []deadLetter{big})
	}
	if got := d.counts(); got.Refused != 40 || got.Kept != maxKeptBytes>>20 {
		t.Errorf("big ones: %+v", got)
	}
	for range maxKept + 10 {
		d.publish(t.Context(), []deadLetter{letter("x")})
	}
	if got := d.counts(); got.Kept != maxKept || d.kept.bytes > maxKeptBytes {
		t.Errorf("many: %+v, %d bytes", got, d.kept.bytes)
	}
}

// A flood of rejections is one line now and then for each rule, stage and field, and no line holds
// the value.
func TestRejectionLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := newTestLetters(t, publishFunc(func(context.Context, mqtt.Message) error { return nil }), slog.New(slog.NewTextHandler(&log, nil)))
		for range 1000 {
			d.publish(t.Context(), []deadLetter{letter("secret words")})
			time.Sleep(10 * time.Millisecond)
		}
		other := letter("secret words")
		other.rejections[0].Field = "name"
		d.publish(t.Context(), []deadLetter{other})
		time.Sleep(logPause)
		d.publish(t.Context(), []deadLetter{letter("secret words")})
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[2], "more_before=999") {
			t.Errorf("got %d lines:\n%s", len(lines), &log)
		}
		for _, secret := range []string{"secret words", "nope"} {
			if strings.Contains(log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

// What was refused is offered again when the broker's rules may have been mended, first of all when
// the next process begins.
func TestRefusedLettersAreOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := lead(t, journal.NewMemory(journal.MemoryOptions{}))
		refuses := publishFunc(func(context.Context, mqtt.Message) error { return &mqtt.RefusedError{Code: 0x87} })
		first, err := newDeadLetters(refuses, log, "base", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		first.publish(t.Context(), []deadLetter{letter("1"), letter("2")})

		var got []string
		takes := publishFunc(func(_ context.Context, m mqtt.Message) error {
			got = append(got, string(m.Payload))
			return nil
		})
		var lines strings.Builder
		second, err := newDeadLetters(takes, log, "base", slog.New(slog.NewTextHandler(&lines, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go second.offer(ctx)
		synctest.Wait() // no time passes
		cancel()
		slices.Sort(got) // published side by side, they were refused in either order
		if diff := cmp.Diff([]string{"1", "2"}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if n := second.counts(); n.Kept != 0 || n.Published != 2 {
			t.Errorf("%+v", n)
		}
		if want := `level=INFO msg="the broker has accepted the dead letters that it had refused" letters=2`; strings.Count(lines.String(), want) != 1 {
			t.Errorf("log %q, want one line %q", &lines, want)
		}
		if third, err := newDeadLetters(takes, log, "base", slog.New(slog.DiscardHandler)); err != nil || third.counts().Kept != 0 {
			t.Errorf("a later process finds %+v, %v", third.counts(), err)
		}
	})
}

// A letter that the broker never takes, since it is too large perhaps, must not keep back those
// behind it.
func TestRefusedLettersPassOneThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		var offered atomic.Int32
		d := newTestLetters(t, publishFunc(func(_ context.Context, m mqtt.Message) error {
			offered.Add(1)
			if mended.Load() && string(m.Payload) != "large" {
				return nil
			}
			return &mqtt.RefusedError{Code: 0x95}
		}), slog.New(slog.DiscardHandler))
		for _, payload := range []string{"large", "1", "large", "2", "3"} {
			d.publish(t.Context(), []deadLetter{letter(payload)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		offered.Store(0)
		go d.offer(ctx)
		time.Sleep(offerPause + time.Second)
		synctest.Wait()
		if n := offered.Load(); n != 2 {
			t.Errorf("%d letters were offered, want one at once and one after a minute while none is taken", n)
		}
		mended.Store(true)
		time.Sleep(4 * offerPause)
		synctest.Wait()
		if n := d.counts(); n.Kept != 2 || n.Published != 3 {
			t.Errorf("%+v, want only the two large ones kept", n)
		}
	})
}

// A thousand bad elements are one letter for each rule, not a thousand copies of the payload.
func TestDeadLettersOfAnEach(t *testing.T) {
	var rejections []mapping.Rejection
	for i := range 1000 {
		rejections = append(rejections, mapping.Rejection{Rule: "a", Item: i, Reason: "no"})
	}
	rejections = append(rejections, mapping.Rejection{Rule: "b", Item: -1, Reason: "not JSON"})
	letters := deadLetter{event: &mqtt.Event{}}.split(rejections)
	if len(letters) != 2 {
		t.Fatalf("%d letters", len(letters))
	}
	reason, items, _ := letters[0].reasons()
	if !strings.HasPrefix(reason, "item 0: no; item 1: no; ") || !strings.HasSuffix(reason, "; and 980 more") || !strings.HasSuffix(items, ",19,…") {
		t.Errorf("reason %q, items %q", reason, items)
	}
	if reason, items, _ := letters[1].reasons(); reason != "not JSON" || items != "" {
		t.Errorf("reason %q, items %q", reason, items)
	}
}

// Elements of an each whose levels have names are told by their paths too.
func TestDeadLetterOfNamedLevels(t *testing.T) {
	rejections := []mapping.Rejection{
		{Rule: "a", Item: 3, Element: "entry[0].changes[1]", Reason: "no"}, {Rule: "a", Item: -1, Element: "entry[1]", Reason: "no list"},
	}
	letters := deadLetter{event: &mqtt.Event{}}.split(rejections)
	reason, items, elements := letters[0].reasons()
	want := []string{"entry[0].changes[1]: no; entry[1]: no list", "3", "entry[0].changes[1],entry[1]"}
	if diff := cmp.Diff(want, []string{reason, items, elements}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	alone := deadLetter{event: &mqtt.Event{}}.split(rejections[1:])[0].message("base").User
	if !slices.Contains(alone, mqtt.UserProperty{Name: "element", Value: "entry[1]"}) || !slices.Contains(alone, mqtt.UserProperty{Name: "reason", Value: "no list"}) {
		t.Errorf("user properties %v", alone)
	}
}
