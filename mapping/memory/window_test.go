package memory_test

import (
	"strconv"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping/memory"
)

// had asks whether the rule has had the key, and has it have it if not.
func had(s *memory.Store, rule, key string, at time.Time, window time.Duration) bool {
	tx := s.Begin(at)
	if tx.Repeats(rule, key, window) {
		return true
	}
	tx.Note(rule, key, window)
	tx.Commit()
	return false
}

func TestRepeats(t *testing.T) {
	s := memory.New()
	for i, step := range []struct {
		rule, key string
		after     time.Duration
		want      bool
	}{
		{"r", "1", 0, false},
		{"r", "1", time.Minute, true},
		{"r", "2", time.Minute, false},
		{"other", "1", time.Minute, false},
		{"r", "1", 10*time.Minute - 1, true},
		{"r", "1", 10 * time.Minute, false}, // the window counts from the one that was mapped
		{"r", "1", 19 * time.Minute, true},
	} {
		if got := had(s, step.rule, step.key, noon.Add(step.after), 10*time.Minute); got != step.want {
			t.Errorf("step %d: got %t", i, got)
		}
	}
}

// Elements of one event repeat each other.
func TestRepeatsWithinATx(t *testing.T) {
	tx := memory.New().Begin(noon)
	if tx.Repeats("r", "1", time.Hour) {
		t.Error("the first repeats nothing")
	}
	tx.Note("r", "1", time.Hour)
	if !tx.Repeats("r", "1", time.Hour) {
		t.Error("the second repeats the first")
	}
}

// The clock of the machine is set back: no event is taken for a repeat of what came in that future.
func TestRepeatsWhenTheClockIsSetBack(t *testing.T) {
	s := memory.New()
	for _, at := range []time.Time{noon.Add(24 * time.Hour), noon} {
		if had(s, "r", "1", at, 10*time.Minute) {
			t.Fatalf("at %v: taken for a repeat", at)
		}
	}
	if !had(s, "r", "1", noon.Add(time.Minute), 10*time.Minute) {
		t.Error("a repeat after that is none")
	}
}

// What is kept follows what the windows hold, not all that has ever come, and is bounded.
func TestWindowsAreBounded(t *testing.T) {
	const limit = 200_000
	for _, tt := range []struct {
		name    string
		window  time.Duration
		step    time.Duration // between two thousand keys
		most    int
		evicted int
	}{
		{"they end", 10 * time.Second, time.Second, 11_000, 0},
		{"too many", 24 * time.Hour, time.Second, limit, 50_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := memory.New()
			journal := map[string]memory.Record{}
			evicted := 0
			now, n := noon, 0
			for range limit/1000 + 50 {
				now = now.Add(tt.step)
				tx := s.Begin(now)
				for range 1000 {
					n++
					tx.Note("r", strconv.Itoa(n), tt.window)
				}
				for _, r := range tx.Records() {
					journal[r.Name] = r
				}
				tx.Commit()
				for _, r := range s.Evict(1000) {
					delete(journal, r.Name)
					evicted++
				}
				if kept := s.Windows(); kept > tt.most {
					t.Fatalf("%d keys are kept", kept)
				}
			}
			for name, r := range journal {
				if !now.Before(r.Expires) {
					delete(journal, name)
				}
			}
			if kept := len(journal); kept > tt.most || evicted != tt.evicted {
				t.Errorf("the journal holds %d keys, %d were evicted", kept, evicted)
			}
		})
	}
}
