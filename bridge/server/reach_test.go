package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// A lateLog is behind another replica's: what that one has comes after a while.
type lateLog struct {
	*journal.Memory
	come func() // appends what is missing
	late time.Duration
}

func (l *lateLog) Reach(ctx context.Context, position uint64) error {
	if l.Bounds().Last >= position {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(l.late):
		l.come()
		return nil
	}
}

// A client that has come from a replica which was ahead resumes without a gap once this one knows
// what that one has sent.
func TestResumeAheadOfTheLog(t *testing.T) {
	for _, test := range []struct {
		name string
		late time.Duration
		want string // in what the client gets, last
		took time.Duration
	}{
		{"a moment behind", 300 * time.Millisecond, "resume:complete", 0},
		{"behind for long", time.Hour, "the journal cannot be reached", time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lateLog{Memory: journal.NewMemory(journal.MemoryOptions{}), late: test.late}
				h := newHouseOver(t, server.Config{}, hub.Config{}, log)
				log.come = func() {
					for _, body := range []string{"1", "2", "3"} {
						h.publish("/queue/message", "", body)
					}
				}
				c := h.connect()
				c.send("SUBSCRIBE | id:a | receipt:r | destination:/queue/message | resume-from:" + h.hub.Epoch(2) + "-2")
				began := time.Now()
				var all string
				for !strings.Contains(all, test.want) && time.Since(began) < 2*time.Minute {
					time.Sleep(time.Second)
					all += strings.Join(c.texts(), "\n")
				}
				if !strings.Contains(all, test.want) {
					t.Errorf("the client got\n%s\nwant %s", all, test.want)
				}
				if took := time.Since(began); took < test.took || took > test.took+5*time.Second {
					t.Errorf("it took %v", took)
				}
				if test.took == 0 && (!strings.HasSuffix(all, "|| 3") || strings.Contains(all, "|| 2")) {
					t.Errorf("the client got\n%s\nwant the third message alone", all)
				}
			})
		})
	}
}

// The server ends while a client waits to resume: it does not wait for that.
func TestEndWhileResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lateLog{Memory: journal.NewMemory(journal.MemoryOptions{}), late: time.Hour}
		h := newHouseOver(t, server.Config{}, hub.Config{}, log)
		c := h.connect()
		c.send("SUBSCRIBE | id:a | destination:/queue/message | resume-from:" + h.hub.Epoch(2) + "-2")
		synctest.Wait()
		began := time.Now()
		h.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}
