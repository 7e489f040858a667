package main

import (
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond // of the line on a terminal
	plainEvery  = 5 * time.Second        // of plain lines
	rateOver    = 5 * time.Second
)

// A progress tells how far long work is: on a terminal by one line that is written over, elsewhere by a plain line every now and
// then. It is safe for concurrent use.
type progress struct {
	terminal bool
	every    time.Duration // between two lines; 0: there are none

	mu   sync.Mutex // guards the rest, and what over writes
	w    io.Writer
	last time.Time // when the last line was shown, or the work began
	line string    // on the terminal; "": none

	done chan struct{} // closed by end; nil where nothing is redrawn
	work sync.WaitGroup
}

// newProgress returns one for work that begins now. Where w is no terminal it shows a line as often as plain says; 0 is never.
func newProgress(w io.Writer, plain time.Duration) *progress {
	p := &progress{w: w, terminal: isTerminal(w), every: plain, last: time.Now()}
	if p.terminal {
		p.every = redrawEvery
	}
	return p
}

// isTerminal reports whether v, a reader or a writer, is the file of a terminal or of another character device.
func isTerminal(v any) bool {
	f, ok := v.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

// due reports whether it is time for another line. Short work never gets there.
func (p *progress) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.every > 0 && time.Since(p.last) >= p.every
}

// Sequences for terminals (ECMA-48; DECAWM is DEC's, which others have taken over).
const (
	eraseLine = "\r\x1b[K" // CR, EL: go to the start of the line and clear it
	wrapOff   = "\x1b[?7l" // DECAWM: what is longer than the line ends with it
	wrapOn    = "\x1b[?7h"
)

// show shows the line, whether it is due or not.
func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	switch {
	case !p.terminal:
		fmt.Fprintf(p.w, "mqtt-stomp-bridge: %s\n", line)
	case line != p.line:
		p.line = line
		io.WriteString(p.w, eraseLine+wrapOff+line+wrapOn)
	}
}

// redraw shows the text on a terminal now and, by a goroutine, whenever it is due, until end. It is called once at most.
func (p *progress) redraw(text func() string) {
	if !p.terminal {
		return
	}
	p.show(text())
	p.done = make(chan struct{})
	p.work.Go(func() {
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show(text())
			case <-p.done:
				return
			}
		}
	})
}

// end waits for the end of redrawing and takes the line away.
func (p *progress) end() {
	if p.done != nil {
		close(p.done)
		p.work.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eraseLocked()
}

func (p *progress) eraseLocked() {
	if p.line != "" {
		p.line = ""
		io.WriteString(p.w, eraseLine)
	}
}

// over returns a writer to w that takes the line away before each write.
func (p *progress) over(w io.Writer) io.Writer {
	if !p.terminal {
		return w
	}
	return overWriter{p, w}
}

type overWriter struct {
	p *progress
	w io.Writer
}

// Write implements io.Writer.
func (o overWriter) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.p.eraseLocked()
	return o.w.Write(b)
}

// A rate is how many there were in a second, of late.
type rate struct {
	samples []sample // about a second apart, the oldest first
}

type sample struct {
	at time.Time
	n  int
}

// newRate returns one that begins now with none.
func newRate() *rate { return &rate{[]sample{{at: time.Now()}}} }

// text returns the rate now that there are n in all, such as 831/s.
func (r *rate) text(n int) string {
	now := time.Now()
	for len(r.samples) > 1 && now.Sub(r.samples[1].at) >= rateOver {
		r.samples = r.samples[1:]
	}
	oldest, newest := r.samples[0], r.samples[len(r.samples)-1]
	if now.Sub(newest.at) >= time.Second {
		r.samples = append(r.samples, sample{now, n})
	}
	many := float64(n - oldest.n)
	if many == 0 {
		return "0/s"
	}
	many /= max(now.Sub(oldest.at), redrawEvery).Seconds()
	if many < 10 {
		return fmt.Sprintf("%.1f/s", many)
	}
	return grouped(int(many)) + "/s"
}

// grouped returns n, which is not negative, with commas between the thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
