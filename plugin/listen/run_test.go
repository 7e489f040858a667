package listen_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/plugin/listen"
)

// story plays two messages, then silence until the client leaves.
func story(p *peer) {
	p.accept("0,0", 1)
	p.send("MESSAGE\ndestination:/queue/a\nmessage-id:e-1\n\n{\"a\": \"<b>\"}\x00")
	p.send("MESSAGE\ndestination:/queue/a\nmessage-id:e-2\ntraceparent:00-a-b-01\n\nno \"JSON\"\x00")
	p.leave()
}

func TestRun(t *testing.T) {
	errFull := errors.New("full")
	tests := []struct {
		name   string
		change func(*listen.Config)
		out    string
		want   error
		took   time.Duration
	}{
		{"count", func(c *listen.Config) { c.Count = 2 }, "/queue/a\t{\"a\": \"<b>\"}\n/queue/a\tno \"JSON\"\n", nil, 0},
		{"count before the wait", func(c *listen.Config) { c.Count, c.Wait = 2, time.Minute }, "/queue/a\t{\"a\": \"<b>\"}\n/queue/a\tno \"JSON\"\n", nil, 0},
		{"wait", func(c *listen.Config) { c.Wait = time.Minute }, "/queue/a\t{\"a\": \"<b>\"}\n/queue/a\tno \"JSON\"\n", listen.ErrWaited, time.Minute},
		{"wait before the count", func(c *listen.Config) { c.Count, c.Wait = 3, time.Minute }, "/queue/a\t{\"a\": \"<b>\"}\n/queue/a\tno \"JSON\"\n", listen.ErrWaited, time.Minute},
		{"bodies", func(c *listen.Config) { c.Count, c.Format = 2, listen.FormatBody }, "{\"a\": \"<b>\"}\nno \"JSON\"\n", nil, 0},
		{
			"objects", func(c *listen.Config) { c.Count, c.Format = 2, listen.FormatJSON },
			`{"queue":"/queue/a","message_id":"e-1","body":{"a":"<b>"}}` + "\n" + `{"queue":"/queue/a","message_id":"e-2","traceparent":"00-a-b-01","body":"no \"JSON\""}` + "\n",
			nil, 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, stop := serve(t, story)
				cfg.Queues = []string{"/queue/a"}
				tt.change(&cfg)
				var out bytes.Buffer
				start := time.Now()
				if err := listen.Run(t.Context(), cfg, &out); err != tt.want {
					t.Errorf("Run: got error %v, want %v", err, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				stop()
				if out.String() != tt.out {
					t.Errorf("printed %q, want %q", out.String(), tt.out)
				}
			})
		})
	}
	t.Run("the output fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cfg, stop := serve(t, func(p *peer) {
				p.accept("0,0", 1)
				p.send("MESSAGE\n\n\x00")
				p.leave()
			})
			cfg.Queues = []string{"/queue/a"}
			if err := listen.Run(t.Context(), cfg, failing{errFull}); !errors.Is(err, errFull) {
				t.Errorf("got error %v, want %v", err, errFull)
			}
			stop()
		})
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestRunEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, story)
		cfg.Queues = []string{"/queue/a"}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var out bytes.Buffer
		if err := listen.Run(ctx, cfg, &out); err != nil {
			t.Errorf("got error %v, want none", err)
		}
		stop()
	})
}

func TestRunWhenTheServerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 1)
			p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(time.Second))
		})
		cfg.Queues = []string{"/queue/a"}
		err := listen.Run(t.Context(), cfg, os.Stdout)
		if !websocket.IsCloseError(errors.Unwrap(err), websocket.CloseGoingAway) {
			t.Errorf("got error %v, want the server's close", err)
		}
		stop()
	})
}

func TestRunRefuses(t *testing.T) {
	for want, cfg := range map[string]listen.Config{
		"no queue to listen to":                    {},
		`format "xml": must be text, body or json`: {Queues: []string{"/queue/a"}, Format: "xml"},
	} {
		if err := listen.Run(t.Context(), cfg, os.Stdout); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}
