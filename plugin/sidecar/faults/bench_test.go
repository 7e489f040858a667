package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping/contract"
)

const (
	benchRate    = 1000 // events a second
	benchClients = 50
)

// From the call of Append to the end of the write to a client: journal, hub and server in this
// process, over loopback.
func BenchmarkAppendToWrite(b *testing.B) {
	b.Run("memory", func(b *testing.B) { appendToWrite(b, journal.NewMemory(journal.MemoryOptions{})) })
	b.Run("disk", func(b *testing.B) {
		log, err := disk.Open(b.Context(), disk.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		appendToWrite(b, log)
	})
}

func appendToWrite(b *testing.B, log journal.Log) {
	defer log.Close()
	writer, err := log.Lead(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	w := &writes{begun: make([]time.Time, b.N+1)}
	url, token := serve(b, log, w)
	var clients []*subscriber
	for range benchClients {
		clients = append(clients, startSubscriber(b, visit{urls: []string{url}, token: token}))
	}
	for _, c := range clients {
		bridgetest.Eventually(b, "a client to connect", func() bool { return c.connected() > 0 })
	}
	body := bytes.Repeat([]byte("x"), 400)
	b.ResetTimer()
	for n := 0; n < b.N; {
		due := min(b.N, 1+int(b.Elapsed().Seconds()*benchRate))
		if due == n {
			time.Sleep(time.Second / benchRate / 4)
			continue
		}
		entries := make([]journal.Entry, due-n) // as the committer does: all that has come meanwhile
		now := time.Now()
		for i := range entries {
			n++
			w.begun[n] = now
			entries[i] = journal.Entry{Time: now, Queue: contract.QueueMessage, Body: body}
		}
		if err := writer.Append(b.Context(), journal.Batch{Entries: entries}); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range clients {
		bridgetest.Eventually(b, "a client to have all", func() bool { return c.positions()[0] == uint64(b.N) })
	}
	b.StopTimer()
	w.report(b)
}

// serve runs hub and server over the log until the benchmark ends.
func serve(b *testing.B, log journal.Log, w *writes) (url, token string) {
	b.Helper()
	c := auth.JWTConfig{Secrets: [][]byte{[]byte(bridgetest.Secret)}}
	authenticator, err := auth.NewJWT(c)
	if err != nil {
		b.Fatal(err)
	}
	if token, err = c.Sign(auth.Grant{User: "ada", TTL: time.Hour}); err != nil {
		b.Fatal(err)
	}
	var queues []hub.Queue
	for _, name := range contract.QueueNames() {
		queues = append(queues, hub.Queue{Name: name})
	}
	h := hub.New(log, hub.Config{Queues: queues})
	s := server.New(server.Config{
		Hub:    h,
		Policy: server.Policy{Auth: authenticator},
		Logger: slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(ctx, timedListener{l, w}) })
	b.Cleanup(func() {
		cancel()
		serving.Wait()
		h.Close()
	})
	return "ws://" + l.Addr().String() + "/ws.communication", token
}

// Writes notes when entries were appended and when they were written.
type writes struct {
	begun []time.Time // by position

	mu    sync.Mutex
	taken []time.Duration
}

type timedListener struct {
	net.Listener
	writes *writes
}

func (l timedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return timedConn{c, l.writes}, err
}

type timedConn struct {
	net.Conn
	writes *writes
}

func (c timedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.writes.note(p, time.Now())
	return n, err
}

// note notes all messages in p as written.
func (w *writes) note(p []byte, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		_, rest, found := bytes.Cut(p, []byte("\nmessage-id:"))
		if !found {
			return
		}
		id, rest, _ := bytes.Cut(rest, []byte("\n"))
		_, digits, _ := bytes.Cut(id, []byte("-"))
		position, _ := strconv.Atoi(string(digits))
		w.taken = append(w.taken, now.Sub(w.begun[position]))
		p = rest
	}
}

func (w *writes) report(b *testing.B) {
	slices.Sort(w.taken)
	for _, percent := range []int{50, 99} {
		d := w.taken[(len(w.taken)-1)*percent/100]
		b.ReportMetric(float64(d.Microseconds()), fmt.Sprintf("p%d-µs", percent))
	}
}

// What an event costs the bridge's process, from a real Mosquitto to all clients.
func BenchmarkEvent(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			s := start(b, options{clients: benchClients, rate: benchRate, memory: where == "memory"})
			b.ResetTimer()
			used := s.bridge.cpu()
			_, begin := s.events.counts()
			end := begin
			for end-begin < b.N {
				time.Sleep(10 * time.Millisecond)
				_, end = s.events.counts()
			}
			used = s.bridge.cpu() - used
			b.StopTimer()
			b.ReportMetric(float64(used.Microseconds())/float64(end-begin), "cpu-µs/event")
		})
	}
}

// cpu returns the time that the process has run so far. proc(5): utime and stime are the fields 14
// and 15, in hundredths of a second, and the second is a name in brackets.
func (b *bridge) cpu() time.Duration {
	b.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.process.PID()))
	if err != nil {
		b.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[14-3])
	system, _ := strconv.Atoi(fields[15-3])
	return time.Duration(user+system) * 10 * time.Millisecond
}
