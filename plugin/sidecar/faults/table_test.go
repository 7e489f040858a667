package faults_test

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// A row is what one test has counted.
type row struct {
	fault      string
	clients    int
	published  int // events given to the broker
	acked      int // of those, acknowledged by it
	journalled int // distinct events in the journal
	delivered  int // messages to all clients together
	resumes    int // connections after the first, of all clients together
	gaps       int // resume: gap, of all clients together
	duplicated int // events that a client got again, of all clients together
	lostWorst  int // acknowledged events that one client did not get, the worst of them
	lostSum    int // and all clients together
	note       string
}

// A table collects rows.
type table struct {
	mu   sync.Mutex
	rows []row
}

var results table

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

func (t *table) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "fault\tclients\tpublished\tacked\tjournalled\tdelivered\tresumes\tgaps\tduplicated\tlost (worst)\tlost (sum)\t")
	for _, r := range t.rows {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", r.fault, r.clients, r.published, r.acked, r.journalled,
			r.delivered, r.resumes, r.gaps, r.duplicated, r.lostWorst, r.lostSum, r.note)
	}
	tw.Flush()
}
