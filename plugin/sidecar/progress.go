package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const progressEvery = 5 * time.Second

// A progress prints a line every now and then on how far long work is, when the work calls step.
// Short work ends before the first line.
type progress struct {
	w    io.Writer
	last time.Time // of the last line, or when the work began
	n    int       // done at that time
}

func newProgress(w io.Writer) *progress { return &progress{w: w, last: time.Now()} }

// step notes that n steps are done. It calls text for what the line says before the rate.
func (p *progress) step(n int, text func() string) {
	since := time.Since(p.last)
	if since < progressEvery {
		return
	}
	rate := float64(n-p.n) / since.Seconds()
	decimals := 0
	if rate < 10 {
		decimals = 1
	}
	fmt.Fprintf(p.w, "mqtt-stomp-bridge: %s, %.*f/s\n", text(), decimals, rate)
	p.last, p.n = time.Now(), n
}

// isTerminal reports whether v, a reader or a writer, is the file of a terminal: a character
// device, but not the null device.
func isTerminal(v any) bool {
	f, ok := v.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
