package disk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// BenchmarkAppend appends entries of 500 bytes, each with a record as a digest and every other one
// with a key, to logs that are full, so that as much is trimmed as comes. Memory lies beside disk,
// and entries for everybody beside some for two users.
func BenchmarkAppend(b *testing.B) {
	const maxBytes = 16 << 20
	for _, size := range []int{1, 64, 256} {
		for name, audience := range map[string][]string{"": nil, "/audience": {"u:ada", "u:grace"}} {
			b.Run(fmt.Sprint("memory/", size, name), func(b *testing.B) {
				l := journal.NewMemory(journal.MemoryOptions{MaxBytes: maxBytes})
				benchmarkAppend(b, l, size, audience)
			})
			b.Run(fmt.Sprint("disk/", size, name), func(b *testing.B) {
				dir := b.TempDir()
				l, err := disk.Open(b.Context(), disk.Options{Dir: dir, MaxBytes: maxBytes})
				if err != nil {
					b.Fatal(err)
				}
				benchmarkAppend(b, l, size, audience)
				if info, err := os.Stat(filepath.Join(dir, "journal.db")); err == nil {
					b.ReportMetric(float64(info.Size())/maxBytes, "file/limit")
				}
			})
		}
	}
}

func benchmarkAppend(b *testing.B, l journal.Log, size int, audience []string) {
	defer l.Close()
	w := mustLead(b, l)
	p := newProducer()
	p.audience = audience
	for l.Bounds().First == 1 {
		p.append(b, w, 1024)
	}
	before := written()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		p.append(b, w, size)
	}
	b.StopTimer()
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(written()-before)/float64(size*b.N), "written-B/entry")
}

// A producer makes batches. It has all texts ready, so that what is allocated is the log's but for
// the two slices of a batch.
type producer struct {
	n           int
	body        []byte
	keys, names []string
	audience    []string
}

func newProducer() *producer {
	p := &producer{body: []byte(strings.Repeat("x", 500)), keys: make([]string, 5000), names: make([]string, 65536)}
	for i := range p.keys {
		p.keys[i] = fmt.Sprint("conversation/", i)
	}
	for i := range p.names {
		p.names[i] = fmt.Sprint("digest/", i)
	}
	return p
}

func (p *producer) append(b *testing.B, w journal.Writer, size int) {
	batch := journal.Batch{Entries: make([]journal.Entry, size), Records: make([]journal.Record, size)}
	now := time.Now()
	for i := range size {
		p.n++
		batch.Entries[i] = journal.Entry{Time: now, Queue: "/queue/message", Audience: p.audience, Body: p.body}
		if p.n%2 == 0 {
			batch.Entries[i].Queue, batch.Entries[i].Key = "/queue/unread-count", p.keys[p.n*7919%len(p.keys)]
		}
		batch.Records[i] = journal.Record{Name: p.names[p.n%len(p.names)], Value: p.body[:16]}
	}
	if err := w.Append(b.Context(), batch); err != nil {
		b.Fatal(err)
	}
}

// written returns the bytes that the process has had written to storage, 0 where that is not told.
func written() (n int64) {
	io, _ := os.ReadFile("/proc/self/io")
	for line := range strings.Lines(string(io)) {
		fmt.Sscanf(line, "write_bytes: %d", &n)
	}
	return n
}
