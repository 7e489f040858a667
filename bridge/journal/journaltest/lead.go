package journaltest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
)

func testTooLarge(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	before := mustAppend(t, w, entry(queueMessage, "", 0))
	mustRecord(t, w, journal.Record{Name: "before"})
	body := bytes.Repeat([]byte("x"), w.MaxBatch()/1000) // held once
	var b journal.Batch
	for b.Size() <= w.MaxBatch() {
		b.Entries = append(b.Entries, journal.Entry{Time: received, Queue: queueMessage, Body: body})
	}
	b.Records = []journal.Record{{Name: "r"}}
	if err := w.Append(t.Context(), b); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("Append of %d bytes with a MaxBatch of %d = %v, want ErrTooLarge", b.Size(), w.MaxBatch(), err)
	}
	if isClosed(w.Done()) {
		t.Errorf("ErrTooLarge has ended the turn")
	}
	all := append(before, mustAppend(t, w, entry(queueMessage, "", 1))...)
	if diff := diffEntries(all, readAll(t, l, 0, 10)); diff != "" || all[1].Position != 2 {
		t.Errorf("entries around what is too large (-want +got):\n%s", diff)
	}
	if got := records(t, w, ""); len(got) != 1 {
		t.Errorf("records %v, want the one that was there", got)
	}
}

func testResign(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	mustAppend(t, w, entry(queueMessage, "", 1))
	mustRecord(t, w, journal.Record{Name: "r"})
	w.Resign()
	w.Resign()
	if !isClosed(w.Done()) {
		t.Errorf("the turn goes on after Resign")
	}
	if err := w.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry(queueMessage, "", 2)}}); err == nil {
		t.Errorf("Append after Resign succeeded")
	}
	if err := w.Records("", func(journal.Record) bool { return true }); err == nil {
		t.Errorf("Records after Resign succeeded")
	}
	if isClosed(l.Done()) {
		t.Errorf("Resign has ended the log: %v", l.Err())
	}

	next := mustLead(t, l)
	w.Resign() // is another's turn now
	if e := mustAppend(t, next, entry(queueMessage, "", 3))[0]; e.Position != 2 {
		t.Errorf("the first entry of the next turn has position %d, want 2", e.Position)
	}
	if got := records(t, next, ""); len(got) != 1 {
		t.Errorf("the next turn has the records %v, want what the one before has left", got)
	}
}

// waitForLead calls Lead elsewhere.
func waitForLead(ctx context.Context, l journal.Log) (led func() bool, result func() (journal.Writer, error)) {
	var w journal.Writer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		w, err = l.Lead(ctx)
	}()
	led = func() bool {
		synctest.Wait()
		return isClosed(done)
	}
	return led, func() (journal.Writer, error) { <-done; return w, err }
}

func testLeadWaits(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	led, result := waitForLead(t.Context(), l)
	if led() {
		t.Fatalf("two lead at a time")
	}
	w.Resign()
	next, err := result()
	if err != nil {
		t.Fatalf("Lead after Resign: %v", err)
	}
	mustAppend(t, next, entry(queueMessage, "", 1))
	if led, _ := waitForLead(t.Context(), l); led() {
		t.Errorf("two lead at a time, after a first one has resigned")
	}
}

// testLeadWhileAppending resigns while an Append runs: it is committed, and the next turn begins
// after it.
func testLeadWhileAppending(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	hold := make(chan struct{})
	l.Follow(func([]journal.Entry) { <-hold })
	appended := make(chan error, 1)
	go func() {
		appended <- w.Append(t.Context(), journal.Batch{Entries: []journal.Entry{entry(queueMessage, "", 1)}})
	}()
	synctest.Wait()
	w.Resign()
	led, result := waitForLead(t.Context(), l)
	if led() {
		t.Errorf("the next turn begins while an Append of the one before runs")
	}
	close(hold)
	if err := <-appended; err != nil {
		t.Errorf("the Append that ran at Resign: %v", err)
	}
	next, err := result()
	if err != nil {
		t.Fatalf("Lead: %v", err)
	}
	if e := mustAppend(t, next, entry(queueMessage, "", 2))[0]; e.Position != 2 {
		t.Errorf("the first entry of the next turn has position %d, want 2", e.Position)
	}
}

func testLeadGivesUp(t *testing.T, open Opener) {
	l, w := lead(t, open, "a", Options{})
	defer mustClose(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := l.Lead(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lead while another leads = %v, want DeadlineExceeded", err)
	}
	w.Resign()
	if _, err := l.Lead(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lead with a context that has ended = %v, want DeadlineExceeded", err)
	}
	mustAppend(t, mustLead(t, l), entry(queueMessage, "", 1))
}

func testLeadUntilClose(t *testing.T, open Opener) {
	l, _ := lead(t, open, "a", Options{})
	led, result := waitForLead(t.Context(), l)
	if led() {
		t.Fatalf("two lead at a time")
	}
	mustClose(t, l)
	if _, err := result(); err == nil || !errors.Is(err, l.Err()) {
		t.Errorf("Lead of a log that was closed meanwhile = %v, want %v", err, l.Err())
	}
}
