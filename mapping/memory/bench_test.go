package memory_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
)

// A million keys: what one takes beyond its own bytes and its value's, with its record as a journal
// in memory keeps it, and the longest time that one event took.
func BenchmarkMillionKeys(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		s := newStore(memory.Settings{MaxKeys: n, MaxBytes: 1 << 40})
		journal := map[string]memory.Record{}
		var payload, slowest int
		for i := range n {
			key, text := fmt.Sprintf("conversation %d", i), strconv.Itoa(i)
			payload += len(key) + len(text)
			begun := time.Now()
			tx := s.Begin(begun)
			tx.Apply([]memory.Change{{Memory: "m", Key: key, Text: text}})
			for _, r := range tx.Records() {
				journal[r.Name] = r
			}
			tx.Commit()
			s.Evict(1)
			slowest = max(slowest, int(time.Since(begun)))
		}
		b.ReportMetric(float64(heap()-before-payload)/n, "B/key")
		b.ReportMetric(float64(slowest)/1e6, "ms-longest")
		runtime.KeepAlive(s)
		runtime.KeepAlive(journal)
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A key that is there is read and written, as a rule that counts does.
func BenchmarkCount(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := newStore(memory.Settings{})
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprint("conversation ", i)
				remember(s, noon, "1", keys[i])
			}
			b.ReportAllocs()
			changes := make([]memory.Change, 1)
			for i := 0; b.Loop(); i++ {
				key := keys[i*7919%n]
				tx := s.Begin(noon.Add(time.Duration(i)))
				text, _ := tx.Recall("m", key)
				changes[0] = memory.Change{Memory: "m", Key: key, Text: text}
				tx.Apply(changes)
				tx.Records()
				tx.Commit()
				s.Evict(1)
			}
		})
	}
}

// An event that no rule with a memory takes.
func BenchmarkNothing(b *testing.B) {
	s := newStore(memory.Settings{})
	b.ReportAllocs()
	for b.Loop() {
		tx := s.Begin(noon)
		tx.Records()
		tx.Commit()
		s.Evict(1)
	}
}

// 100,000 keys with values of 200 bytes, as they are loaded at the start.
func BenchmarkLoad(b *testing.B) {
	s := newStore(memory.Settings{})
	var records []memory.Record
	for i := range 100_000 {
		tx := s.Begin(noon.Add(time.Duration(i)))
		tx.Apply([]memory.Change{{Memory: "m", Key: strconv.Itoa(i), Text: string(make([]byte, 200))}})
		records = append(records, tx.Records()...)
		tx.Commit()
	}
	for b.Loop() {
		s := memory.New()
		for _, r := range records {
			s.Load(r)
		}
	}
}
