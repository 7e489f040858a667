package listen_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/listen"
)

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []stomp.Frame
		cfg, stop := serve(t, func(p *peer) {
			if header := p.request.Header; header.Get("X-Test") != "yes" || header.Get("Authorization") != "" {
				t.Errorf("handshake headers %v: want X-Test and no Authorization", header)
			}
			got = append(got, p.expect(stomp.CommandConnect))
			p.send("CONNECTED\nversion:1.2\n\n\x00")
			for range 2 {
				f := p.expect(stomp.CommandSubscribe)
				got = append(got, f)
				p.receipt(f)
			}
			p.leave()
		})
		cfg.Header = http.Header{"X-Test": {"yes"}}
		cfg.Token = "e30.e30.x"
		cfg.HeartBeat = 0 // the default
		cfg.Queues = []string{"/queue/message", "/queue/unread-count"}
		cfg.ResumeFrom, cfg.Snapshot = "e-17", true
		if err := dial(t, cfg).Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		stop()
		want := []stomp.Frame{
			{Command: stomp.CommandConnect, Headers: headers("accept-version", "1.0,1.1,1.2", "host", "bridge.test", "heart-beat", "30000,30000", "Authorization", "Bearer e30.e30.x")},
			{Command: stomp.CommandSubscribe, Headers: headers("id", "sub-0", "destination", "/queue/message", "resume-from", "e-17", "receipt", "receipt-1")},
			{Command: stomp.CommandSubscribe, Headers: headers("id", "sub-1", "destination", "/queue/unread-count", "resume-from", "e-17", "snapshot", "latest", "receipt", "receipt-2")},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
	})
}

// What comes while Dial waits for later receipts is not lost, and stays in order.
func TestMessagesBeforeTheLastReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 1)
			f := p.expect(stomp.CommandSubscribe)
			p.send("MESSAGE\ndestination:/queue/a\nmessage-id:e-1\nsubscription:sub-0\nack:e-1.0\nx:a\\cb\n\none\x00")
			p.send("\n")
			p.send("RECEIPT\nreceipt-id:another\n\n\x00")
			p.receipt(f)
			p.send("MESSAGE\ndestination:/queue/b\nmessage-id:e-2\nsubscription:sub-1\n\ntwo\x00")
			p.leave()
		})
		cfg.Queues = []string{"/queue/a", "/queue/b"}
		c := dial(t, cfg)
		var got []listen.Message
		for range 2 {
			m, err := c.Next(t.Context())
			if err != nil {
				t.Fatalf("Next: %v", err)
			}
			got = append(got, m)
		}
		c.Close()
		stop()
		want := []listen.Message{
			{Queue: "/queue/a", ID: "e-1", Subscription: "sub-0", Ack: "e-1.0", Body: []byte("one"), Headers: headers("destination", "/queue/a", "message-id", "e-1", "subscription", "sub-0", "ack", "e-1.0", "x", "a:b")},
			{Queue: "/queue/b", ID: "e-2", Subscription: "sub-1", Body: []byte("two"), Headers: headers("destination", "/queue/b", "message-id", "e-2", "subscription", "sub-1")},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestServerErrors(t *testing.T) {
	const wire = "ERROR\nmessage:401 token expired\nlast-message-id:e-17\n\nlog in again\x00"
	want := &listen.ServerError{
		Message: "401 token expired",
		Headers: headers("message", "401 token expired", "last-message-id", "e-17"),
		Body:    []byte("log in again"),
	}
	tests := []struct {
		name   string
		script func(p *peer)
		from   string // where the error appears
	}{
		{"for CONNECT", func(p *peer) { p.expect(stomp.CommandConnect) }, "connecting: "},
		{"for SUBSCRIBE", func(p *peer) { p.accept("0,0", 0); p.expect(stomp.CommandSubscribe) }, `subscribing to "/queue/message": `},
		{"later", func(p *peer) { p.accept("0,0", 1) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, stop := serve(t, func(p *peer) {
					tt.script(p)
					p.send(wire)
					p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.ClosePolicyViolation, ""), time.Now().Add(time.Second))
				})
				cfg.Queues = []string{"/queue/message"}
				c, err := listen.Dial(t.Context(), cfg)
				if err == nil {
					_, err = c.Next(t.Context())
					if _, err := c.Next(t.Context()); !websocket.IsCloseError(errors.Unwrap(err), websocket.ClosePolicyViolation) {
						t.Errorf("after the ERROR: got %v, want the close", err)
					}
					if err := c.Close(); err != nil {
						t.Errorf("Close after the server's: %v", err)
					}
				}
				stop()
				var got *listen.ServerError
				if !errors.As(err, &got) {
					t.Fatalf("got error %v, want a *ServerError", err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
				if want := tt.from + `the server says "401 token expired": "log in again"`; err.Error() != want {
					t.Errorf("got %q, want %q", err, want)
				}
			})
		})
	}
}

func TestDialRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		})}
		go server.Serve(listener)
		defer server.Close()
		_, err := listen.Dial(t.Context(), listen.Config{URL: "ws://bridge.test/ws", NetDial: listener.dial})
		if want := `dialing "ws://bridge.test/ws": the server answered 403 Forbidden: "no"`; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}

func TestDialBadURL(t *testing.T) {
	for _, url := range []string{"", "http://bridge.test/ws", "ws://ann:password@bridge.test/ws", "ws://[", "ws://a b/"} {
		_, err := listen.Dial(t.Context(), listen.Config{URL: url})
		if err == nil || strings.Contains(err.Error(), "password") {
			t.Errorf("URL %q: got error %v", url, err)
		}
	}
}

func TestHeartBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats int
		cfg, stop := serve(t, func(p *peer) {
			p.accept("10000,10000", 0)
			for {
				p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				f, err := p.read()
				if err != nil {
					if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
						t.Errorf("the server got %v, want heart-beats and a close", err)
					}
					return
				}
				if f.Command != stomp.CommandHeartBeat {
					t.Errorf("the server got %v, want a heart-beat", f)
				}
				if beats++; beats <= 6 {
					p.send("\n") // and then no more
				}
			}
		})
		cfg.HeartBeat = 4 * time.Second
		c := dial(t, cfg)
		start := time.Now()
		_, err := c.Next(t.Context())
		if want := "the server was silent for 30s"; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
		// The sixth beat came after 6 times 5 s, and was the last to be answered.
		if got, want := time.Since(start), time.Minute; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
		c.Close()
		stop()
		if beats < 11 || beats > 12 { // the twelfth is due in the moment of the end
			t.Errorf("got %d heart-beats in a minute, want one each 5s", beats)
		}
	})
}

func TestNoHeartBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("10000,10000", 0)
			time.Sleep(time.Hour)
			p.send("MESSAGE\n\n\x00")
			p.leave()
		})
		c := dial(t, cfg) // negative: none
		if _, err := c.Next(t.Context()); err != nil {
			t.Errorf("Next: %v", err)
		}
		c.Close()
		stop()
	})
}

func TestNextEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 0)
			time.Sleep(time.Minute)
			p.send("MESSAGE\n\nlate\x00")
			p.leave()
		})
		c := dial(t, cfg)
		ctx, cancel := within(t, time.Second)
		defer cancel()
		if _, err := c.Next(ctx); err != errLate {
			t.Errorf("got error %v, want the cause of the context's end", err)
		}
		if m, err := c.Next(t.Context()); err != nil || string(m.Body) != "late" {
			t.Errorf("got %v, %v, want the message", m, err)
		}
		c.Close()
		stop()
	})
}

func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			f := p.expect(stomp.CommandStomp)
			if diff := cmp.Diff(stomp.Frame{Command: stomp.CommandStomp, Headers: headers("accept-version", "1.1")}, f); diff != "" {
				t.Errorf("first frame (-want +got):\n%s", diff)
			}
			p.send("CONNECTED\nversion:1.1\nheart-beat:1000,1000\n\n\x00")
			p.decoder.SetVersion(stomp.V11)
			if f := p.expect(stomp.CommandSend); f.Headers[0].Value != "a:b" {
				t.Errorf("got %v, want an escaped colon", f)
			}
			time.Sleep(time.Minute)
			p.send("\n")
			if _, err := p.read(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				t.Errorf("got %v, want a close without DISCONNECT", err)
			}
		})
		c, err := listen.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.SendFrame(stomp.Frame{Command: stomp.CommandStomp, Headers: headers("accept-version", "1.1")})
		if f, err := c.ReadFrame(t.Context()); err != nil || f.Command != stomp.CommandConnected {
			t.Errorf("got %v, %v, want CONNECTED", f, err)
		}
		c.SendFrame(stomp.Frame{Command: stomp.CommandSend, Headers: headers("destination", "a:b")})
		if f, err := c.ReadFrame(t.Context()); err != nil || f.Command != stomp.CommandHeartBeat {
			t.Errorf("got %v, %v, want a heart-beat", f, err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := c.ReadFrame(t.Context()); err != net.ErrClosed {
			t.Errorf("after Close: got %v, want net.ErrClosed", err)
		}
		if err := c.SendFrame(stomp.Frame{Command: stomp.CommandAck}); err == nil {
			t.Error("SendFrame after Close: no error")
		}
		stop()
	})
}

func TestCloseWithoutReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 0)
			p.expect(stomp.CommandDisconnect)
			p.read()
		})
		c := dial(t, cfg)
		start := time.Now()
		if err := c.Close(); err == nil || time.Since(start) != 2*time.Second {
			t.Errorf("got error %v after %v, want one after 2s", err, time.Since(start))
		}
		stop()
	})
}

// A client that nobody reads still closes, with what it did not take in between.
func TestCloseWhileMessagesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 0)
			p.send("MESSAGE\n\none\x00MESSAGE\n\ntwo\x00")
			p.leave()
		})
		c := dial(t, cfg)
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		stop()
	})
}

func TestMalformedFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 0)
			p.send("NONSENSE\n\n\x00")
		})
		c := dial(t, cfg)
		_, err := c.Next(t.Context())
		if want := "reading frame: malformed frame: unknown command"; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
		c.Close()
		stop()
	})
}

func TestGapIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, stop := serve(t, func(p *peer) {
			p.accept("0,0", 0)
			p.expect(stomp.CommandSubscribe)
			p.send("RECEIPT\nreceipt-id:receipt-1\nresume:gap\n\n\x00")
			p.leave()
		})
		var log bytes.Buffer
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Token, cfg.Queues, cfg.ResumeFrom = "very.secret.token", []string{"/queue/message"}, "e-17"
		dial(t, cfg).Close()
		stop()
		if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "queue=/queue/message resume-from=e-17") {
			t.Errorf("log %q: want a warning with the queue and the position", got)
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("log %q holds the token", log.String())
		}
	})
}
