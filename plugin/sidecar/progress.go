package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	redrawEvery = 100 * time.Millisecond // the line on a terminal
	plainEvery  = 5 * time.Second        // lines elsewhere
	rateOver    = 5 * time.Second
)

// A progress tells how far long work is: on a terminal by a line that is drawn anew every now and then, by a goroutine of its own;
// elsewhere by plain lines, which the work shows when they are due. Short work comes to its end before the first.
type progress struct {
	terminal bool
	text     func() string
	every    time.Duration // between plain lines; 0: there are none
	last     time.Time     // of the last plain line, or when the work began

	mu   sync.Mutex // held for each write to the terminal; guards:
	w    io.Writer
	line string // that stands on the terminal; "": none
	open bool   // what over has written last has not come to the end of its line: there is no place for another

	done chan struct{} // closed by end; nil: nothing is drawn
	work sync.WaitGroup
}

// newProgress returns one that shows nothing before start.
func (p *program) newProgress() *progress {
	// What reads the other end of a pipe may print on the same terminal, and end up in the line.
	return &progress{w: p.stderr, terminal: isTerminal(p.stderr) && !isPipe(p.stdout)}
}

// isTerminal reports whether v, a reader or a writer, is the file of a terminal: a character device, but not the null device.
func isTerminal(v any) bool {
	info := stat(v)
	if info == nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

func isPipe(v any) bool {
	info := stat(v)
	return info != nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0
}

// stat describes v if it is a file; otherwise nil.
func stat(v any) fs.FileInfo {
	f, ok := v.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// start begins to show the text; where there is no terminal, as often as plain says, and 0 is never. It is called once at most.
func (p *progress) start(text func() string, plain time.Duration) {
	p.text, p.every, p.last = text, plain, time.Now()
	if !p.terminal {
		return
	}
	p.done = make(chan struct{})
	p.work.Go(p.redraw)
}

func (p *progress) redraw() {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.draw(p.text())
		case <-p.done:
			return
		}
	}
}

// due reports whether it is time for a plain line.
func (p *progress) due() bool {
	return !p.terminal && p.every > 0 && time.Since(p.last) >= p.every
}

// show shows a plain line.
func (p *progress) show() {
	p.last = time.Now()
	fmt.Fprintf(p.w, "mqtt-stomp-bridge: %s\n", p.text())
}

// What terminals obey: ECMA-48, and DEC's DECAWM, which all have taken over.
const (
	eraseLine = "\r\x1b[K" // CR, EL: go to the start of the line and clear it
	wrapOff   = "\x1b[?7l" // DECAWM: what is longer than the line ends with it
	wrapOn    = "\x1b[?7h"
)

func unwrapped(line string) string { return wrapOff + line + wrapOn }

func (p *progress) draw(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if line != p.line && !p.open {
		p.line = line
		io.WriteString(p.w, eraseLine+unwrapped(line))
	}
}

// end takes the line away. A second call does nothing.
func (p *progress) end() {
	if p.done == nil {
		return
	}
	close(p.done)
	p.work.Wait()
	p.done = nil
	if p.line != "" {
		p.line = ""
		io.WriteString(p.w, eraseLine)
	}
}

// over returns a writer to w, which may be used beside all methods. Where w is a terminal as well, the line stays below what is
// written.
func (p *progress) over(w io.Writer) io.Writer {
	if !p.terminal || !isTerminal(w) {
		return w
	}
	return overWriter{p, w}
}

type overWriter struct {
	p *progress
	w io.Writer
}

// Write implements io.Writer. The line moves by the same write, so that it does not flicker.
func (o overWriter) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.p.open = !bytes.HasSuffix(b, []byte("\n"))
	if o.p.line == "" {
		return o.w.Write(b)
	}
	moved := append([]byte(eraseLine), b...)
	if o.p.open {
		o.p.line = ""
	} else {
		moved = append(moved, unwrapped(o.p.line)...)
	}
	n, err := o.w.Write(moved)
	return min(max(n-len(eraseLine), 0), len(b)), err
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
