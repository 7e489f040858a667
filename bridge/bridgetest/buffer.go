package bridgetest

import (
	"bytes"
	"strings"
	"sync"
)

// A Buffer is a bytes.Buffer that is safe for concurrent use. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Lines returns the lines that contain the words.
func (b *Buffer) Lines(words string) (found []string) {
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, words) {
			found = append(found, line)
		}
	}
	return found
}

// Tail returns the last n lines.
func (b *Buffer) Tail(n int) string {
	lines := strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
