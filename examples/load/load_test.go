//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// The test's program is the loop's too.
func TestMain(m *testing.M) {
	if os.Getenv(loopMode) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(shared.dir)
		os.Exit(code)
	}))
}

// shared is what all tests' benches have in common: the bridge is built once.
var shared bench

var prepareShared = sync.OnceValue(func() (err error) {
	if shared.dir, err = os.MkdirTemp("", "load-test-"); err != nil {
		return err
	}
	shared.programs, shared.subjects = shared.dir, []string{"bridge", "centrifuge", "nats"}
	if err := shared.build(context.Background()); err != nil {
		return err
	}
	return shared.prepare()
})

func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []int
		want ledger
		lost int // of 6 events
	}{
		{"in order", []int{0, 1, 2, 3, 4, 5}, ledger{next: 6}, 0},
		{"nothing", nil, ledger{}, 6},
		{"the end is missing", []int{0, 1}, ledger{next: 2}, 4},
		{"a gap", []int{0, 3, 5}, ledger{next: 6, missing: []span{{1, 3}, {4, 5}}}, 3},
		{"twice", []int{0, 1, 1, 0, 2}, ledger{next: 3, duplicates: 2}, 3},
		{"late", []int{1, 0}, ledger{next: 2, missing: []span{}, disorder: 1}, 4},
		{"late, in the middle of a gap", []int{4, 2}, ledger{next: 5, missing: []span{{0, 2}, {3, 4}}, disorder: 1}, 4},
		{"late, then twice", []int{4, 2, 2}, ledger{next: 5, missing: []span{{0, 2}, {3, 4}}, disorder: 1, duplicates: 1}, 4},
		{"backwards", []int{5, 4, 3, 2, 1, 0}, ledger{next: 6, missing: []span{}, disorder: 5}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l ledger
			for _, n := range c.in {
				l.note(n)
			}
			if d := cmp.Diff(c.want, l, cmp.AllowUnexported(ledger{}, span{})); d != "" {
				t.Errorf("ledger (-want +got):\n%s", d)
			}
			if got := l.lost(6); got != c.lost {
				t.Errorf("lost %d, want %d", got, c.lost)
			}
		})
	}
}

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 31, 32, 63, 64, 65, 1000, time.Millisecond, time.Hour, 1<<63 - 1} {
		b := bucket(d)
		if b >= buckets || lower(b) > d || b+1 < buckets && lower(b+1) <= d {
			t.Errorf("%d is in bucket %d, which begins at %d", d, b, lower(b))
		}
	}
	var h histogram
	for ms := range 1000 {
		h.add(time.Duration(ms) * time.Millisecond)
	}
	for _, q := range []float64{0, 0.5, 0.9, 0.999} {
		got, want := h.quantile(q), time.Duration(q*1000)*time.Millisecond
		if (got - want).Abs() > want/30+time.Millisecond {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

func TestNextFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 400, 0xFFFF >> 1} {
		payload := bytes.Repeat([]byte("x"), n)
		data := append(appendFrame(nil, opText, payload), "next"...)
		whole := len(data) - len("next")
		for _, cut := range []int{0, 1, 2, whole - 1} {
			if f, err := nextFrame(data[:min(cut, whole-1)]); f.size != 0 || err != nil {
				t.Errorf("%d of %d bytes: got a frame of %d, %v", cut, whole, f.size, err)
			}
		}
		f, err := nextFrame(data)
		if f.opcode != opText || f.compressed || !bytes.Equal(f.payload, payload) || f.size != whole || err != nil {
			t.Errorf("got opcode %d, %d bytes in %d, %v; want %d in %d", f.opcode, len(f.payload), f.size, err, n, whole)
		}
	}
	for name, data := range map[string][]byte{
		"masked":     appendMaskedFrame(nil, opText, []byte("x")),
		"fragmented": {opText, 1, 'x'},
		"too long":   append(appendFrameHeader(nil, opText, 0, maxPayload+1), make([]byte, maxPayload+1)...),
	} {
		if _, err := nextFrame(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, n := range []int{0, 7, 1234567890} {
		for _, payload := range [][]byte{event(n, 100), delivery(n, 0)} {
			if got, ok := number(payload); got != n || !ok {
				t.Errorf("number(%q) = %d, %t", payload, got, ok)
			}
		}
	}
	for _, payload := range []string{"", "\n", "event#", "event#000000000", "event#00000000x0"} {
		if n, ok := number([]byte(payload)); ok {
			t.Errorf("number(%q) = %d", payload, n)
		}
	}
}

func TestMessageID(t *testing.T) {
	for payload, want := range map[string]string{
		string(delivery(41, 100)): "abcdefgh2345-42",
		string(event(41, 100)):    "",
		"MESSAGE\nmessage-id:cut": "",
		"":                        "",
	} {
		if got, ok := messageID([]byte(payload)); string(got) != want && ok || ok != (want != "") {
			t.Errorf("messageID(%q) = %q, %t, want %q", payload, got, ok, want)
		}
	}
}

// What the process's clock says is what /proc has in its fields 14 and 15, which are in hundredths
// of a second.
func TestCPUTime(t *testing.T) {
	const tick = 10 * time.Millisecond
	for began := time.Now(); time.Since(began) < 3*tick; { // takes some
	}
	before, err1 := cpuTime(os.Getpid())
	stat, err2 := os.ReadFile("/proc/self/stat")
	after, err3 := cpuTime(os.Getpid())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[14-3])
	system, err2 := strconv.Atoi(fields[15-3])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(user+system) * tick; got < before-2*tick || got > after {
		t.Errorf("/proc has %v, the clock has %v and then %v", got, before, after)
	}
}

func TestKibibytes(t *testing.T) {
	status := "Name:\tVmRSS\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n"
	for name, want := range map[string]int64{"VmHWM": 20 << 20, "VmRSS": 10 << 20} {
		if got, err := kibibytes(status, name); got != want || err != nil {
			t.Errorf("%s is %d, %v, want %d", name, got, err, want)
		}
	}
	if _, err := kibibytes(status, "VmPTE"); err == nil {
		t.Error("VmPTE: no error")
	}
}

// Every session gets all events once and in order, also behind the embedded broker and with ids of
// its own.
func TestBridge(t *testing.T) {
	b := newTestBench(t)
	for _, broker := range []string{"mosquitto", "embedded"} {
		t.Run(broker, func(t *testing.T) {
			b.broker, b.distinct = broker, broker == "embedded"
			measureAll(t, b, "bridge")
		})
	}
}

// So do the sessions of replicas, whichever they are at.
func TestReplicas(t *testing.T) { measureAll(t, newTestBench(t), "replicas") }

// The loops do the same work, and what they write is what the bridge does.
func TestLoops(t *testing.T) {
	b := newTestBench(t)
	for _, name := range []string{"loop", "loop-batched"} {
		t.Run(name, func(t *testing.T) { measureAll(t, b, name) })
	}
	var messages []string
	for _, name := range []string{"bridge", "loop"} {
		messages = append(messages, firstMessage(t, b, name))
	}
	changing := regexp.MustCompile(`message-id:[a-z0-9]{12}-|"id":"[0-9a-f-]{36}"`)
	for i := range messages {
		messages[i] = changing.ReplaceAllString(messages[i], "an id")
	}
	if d := cmp.Diff(messages[0], messages[1]); d != "" {
		t.Errorf("messages (-bridge +loop):\n%s", d)
	}
}

// Other servers deliver what the bridge does.
func TestPeers(t *testing.T) {
	b := newTestBench(t)
	for _, name := range []string{"centrifuge", "nats"} {
		for _, qos := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, QoS %d", name, qos), func(t *testing.T) {
				b.qos = qos
				measureAll(t, b, name)
			})
		}
		t.Run(name+", content", func(t *testing.T) {
			if got, want := firstMessage(t, b, name), string(mapped(0, b.size)); !strings.Contains(got, want) {
				t.Errorf("got %q without %q", got, want)
			}
		})
	}
}

// TLS changes nothing for those at its ends.
func TestTLS(t *testing.T) {
	b := newTestBench(t)
	if err := b.makeCertificate(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bridge", "loop", "loop-batched"} {
		t.Run(name, func(t *testing.T) { measureAll(t, b, name) })
	}
	x, err := startSubject(t, b, "loop").open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if c, ok := x.conn.(*tls.Conn); !ok || !c.ConnectionState().HandshakeComplete {
		t.Errorf("the connection is a %T, want one with TLS", x.conn)
	}
}

// Compressed frames arrive as what they were, and are shorter.
func TestDeflate(t *testing.T) {
	b := newTestBench(t)
	plain, deflated := measureAll(t, b, "loop-batched"), measureAll(t, b, "loop-deflate")
	if want := float64(len(delivery(0, b.size))); plain.bytes < want || plain.bytes > want+2 {
		t.Errorf("%.1f bytes a delivery without compression, want %.0f", plain.bytes, want)
	}
	if deflated.bytes >= plain.bytes {
		t.Errorf("%.1f bytes a delivery, %.1f without compression", deflated.bytes, plain.bytes)
	}
	compressing, inflating := newDeflater(flate.BestSpeed), newInflater()
	for _, payload := range []string{"", "x", "\n", strings.Repeat("words and words ", 5000)} {
		for range 2 { // the second does not refer to the first
			f, err := nextFrame(compressing.appendFrame(nil, opText, []byte(payload)))
			if err != nil || !f.compressed || f.opcode != opText {
				t.Fatalf("got %+v, %v", f, err)
			}
			if got, err := inflate(f.payload); string(got) != payload || err != nil {
				t.Errorf("got %d bytes of %d, %v", len(got), len(payload), err)
			}
			if got, err := inflating.message(f.payload); string(got) != payload || err != nil {
				t.Errorf("got %d bytes of %d, %v", len(got), len(payload), err)
			}
		}
	}
	if _, err := inflating.message([]byte("\xff\xff")); err == nil {
		t.Error("no error for what is not compressed")
	}
	bomb := newDeflater(flate.BestSpeed).message(make([]byte, maxPayload+1))
	if _, err := inflate(bomb); !errors.Is(err, errFrame) {
		t.Errorf("more than %d bytes: got error %v, want %v", maxPayload, err, errFrame)
	}
}

// What compression saves of the frames of the events, and takes for each. Where subscriptions have
// ids of their own, the header stays as it is and sessions share what is compressed of the body.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{30, 100, 500} {
		for _, level := range []int{flate.BestSpeed, 6} {
			d := newDeflater(level)
			name := fmt.Sprintf("content=%d/level=%d/", size, level)
			b.Run(name+"frame", func(b *testing.B) {
				benchmarkDeflate(b, size, func(payload []byte) int {
					return len(d.appendFrame(nil, opText, payload))
				})
			})
			b.Run(name+"body", func(b *testing.B) {
				benchmarkDeflate(b, size, func(payload []byte) int {
					header := bytes.Index(payload, []byte("\n\n")) + 2
					n := stored + header + len(d.message(payload[header:]))
					return len(appendFrameHeader(nil, opText, 0, n)) + n
				})
			})
		}
	}
}

// stored is the length of what begins a block that is not compressed (RFC 1951, 3.2.4).
const stored = 5

// benchmarkDeflate reports what the function saves, which returns the length of a frame.
func benchmarkDeflate(b *testing.B, size int, deflated func(payload []byte) int) {
	frames := make([]frame, 1000)
	for n := range frames {
		var err error
		if frames[n], err = nextFrame(delivery(n, size)); err != nil {
			b.Fatal(err)
		}
	}
	before, after, n := 0, 0, 0
	for b.Loop() {
		f := frames[n%len(frames)]
		n++
		before += f.size
		after += deflated(f.payload)
	}
	b.ReportMetric(100*(1-float64(after)/float64(before)), "%saved")
}

// What a protocol has in one frame.
func TestProtocols(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol protocol
		payload  string
		messages []string
		answer   string // to the last one
		err      string
	}{
		{"STOMP", stompProtocol{}, "MESSAGE\n\nbody\n\x00", []string{"MESSAGE\n\nbody\n\x00"}, "", ""},
		{"STOMP, error", stompProtocol{}, "ERROR\n\n\x00", []string{"ERROR\n\n\x00"}, "", `the server ended the session: "ERROR\n\n\x00"`},
		{"NATS", natsProtocol{}, "MSG a.b 1 4\r\n\r\nxx\r\nPING\r\n", []string{"\r\nxx", "PING"}, "PONG\r\n", ""},
		{"NATS, nothing in it", natsProtocol{}, "MSG a.b 1 0\r\n\r\n", []string{""}, "", ""},
		{"NATS, error", natsProtocol{}, "-ERR 'no'\r\n", []string{"-ERR 'no'"}, "", "-ERR 'no'"},
		{"NATS, cut", natsProtocol{}, "MSG a.b 1 4\r\nxxxx\r", nil, "", `a frame of NATS has 5 bytes for the payload of "MSG a.b 1 4"`},
		{"NATS, cut line", natsProtocol{}, "PIN", nil, "", `a frame of NATS ends within "PIN"`},
		{"Centrifuge", centrifugeProtocol{}, "{\"push\":{}}\n{}", []string{`{"push":{}}`, "{}"}, "{}", ""},
		{"Centrifuge, error", centrifugeProtocol{}, `{"id":2,"error":{}}`, []string{`{"id":2,"error":{}}`}, "", `{"id":2,"error":{}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var messages []string
			var answer []byte
			rest := []byte(c.payload)
			var err error
			for len(rest) > 0 && err == nil {
				var message []byte
				if message, rest, err = c.protocol.next(rest); err == nil {
					messages = append(messages, string(message))
					answer, err = c.protocol.answer(message)
				}
			}
			if d := cmp.Diff(c.messages, messages); d != "" {
				t.Errorf("messages (-want +got):\n%s", d)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if string(answer) != c.answer || got != c.err {
				t.Errorf("answer %q, error %q, want %q, %q", answer, got, c.answer, c.err)
			}
		})
	}
}

// With -pin a server has one core, and this program what it had.
func TestPin(t *testing.T) {
	b := newTestBench(t)
	b.pin = true
	var before, own, servers unix.CPUSet
	err1 := unix.SchedGetaffinity(0, &before)
	s := startSubject(t, b, "loop")
	err2 := unix.SchedGetaffinity(s.server.cmd.Process.Pid, &servers)
	err3 := unix.SchedGetaffinity(0, &own)
	if err := errors.Join(err1, err2, err3); err != nil || servers.Count() != 1 || own != before {
		t.Errorf("the server has %d cores, this program %d of %d, %v", servers.Count(), own.Count(), before.Count(), err)
	}
	var set unix.CPUSet
	set.Set(2)
	set.Set(65)
	if one := lastOf(set); one.Count() != 1 || !one.IsSet(65) {
		t.Errorf("the last core of 2 and 65 is %v", one)
	}
}

// firstMessage returns what a session gets of the first event.
func firstMessage(t *testing.T, b *bench, name string) string {
	t.Helper()
	s := startSubject(t, b, name)
	x, err := s.open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	p, err := s.publisher()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if err := errors.Join(p.publish(0), p.flush()); err != nil {
		t.Fatal(err)
	}
	message, err := x.receive()
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

// startSubject starts the named subject, which ends with the test.
func startSubject(t *testing.T, b *bench, name string) *subject {
	t.Helper()
	s, err := b.start(t.Context(), name)
	skipAbsent(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// skipAbsent skips the test where a program is absent that it needs.
func skipAbsent(t *testing.T, err error) {
	t.Helper()
	if absent := (errAbsent{}); errors.As(err, &absent) && os.Getenv(mosquittotest.Require) != "1" {
		t.Skip(absent)
	}
}

// Idle sessions are opened in steps.
func TestIdle(t *testing.T) {
	b := newTestBench(t)
	b.idle, b.settle, b.idleFor = []int{10, 20}, time.Millisecond, time.Millisecond
	steps, err := b.measureIdle(t.Context(), "loop")
	if err != nil || len(steps) != 3 || steps[0].sessions != 0 || steps[1].sessions != 10 || steps[2].sessions != 20 || steps[2].connects == 0 || steps[2].memory == 0 {
		t.Errorf("got %+v, %v", steps, err)
	}
	var out bytes.Buffer
	writeIdle(&out, []string{"bridge"}, map[string][]idleStep{"bridge": {
		{idle: 2 * time.Millisecond, memory: 20 << 20},
		{sessions: 1000, idle: 3 * time.Millisecond, memory: 30 << 20, connects: 5000, opening: 100 * time.Microsecond},
	}})
	want := `|        | sessions |  MiB | KiB a session | CPU ms/s | CPU µs/s a session | connects/s | CPU µs a connect |
| ------ | -------: | ---: | ------------: | -------: | -----------------: | ---------: | ---------------: |
| bridge |        0 | 20.0 |               |     2.00 |                    |            |                  |
| bridge |     1000 | 30.0 |          10.2 |     3.00 |               1.00 |       5000 |              100 |
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

// Servers that take turns get the same events, and the ratios are of turns that follow each other.
func TestAlternate(t *testing.T) {
	b := newTestBench(t)
	b.broker, b.subjects, b.loads, b.turns, b.rounds = "embedded", []string{"bridge", "bridge-untrailed", "loop"}, []load{{1, 20}, {30, 10}}, 3, 2
	var out bytes.Buffer
	if err := b.runAlternate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (bridge|bridge-untrailed|loop) +\| +6 \|.*\| +0 \| +0 \| +0 \| +0 \|`).FindAllString(out.String(), -1)
	if len(rows) != 6 {
		t.Errorf("got rows %q, want three in each of two tables, in\n%s", rows, &out)
	}

	out.Reset()
	turns := func(cpu ...time.Duration) (all []result) {
		for _, c := range cpu {
			all = append(all, result{deliveries: 1000, server: usage{cpu: c * time.Second, memory: 1 << 20}})
		}
		return all
	}
	writeTurns(&out, load{5, 10}, []string{"bridge", "loop"}, map[string][]result{"bridge": turns(2, 4, 2, 4, 10), "loop": turns(1, 3, 2, 2, 20)})
	want := `| 5 sessions | turns | deliveries/s | CPU s/M | broker s/M | lost | twice | disorder | unacked | MiB |
| ---------- | ----: | -----------: | ------: | ---------: | ---: | ----: | -------: | ------: | --: |
| bridge     |     5 |         1000 |   4.000 |          - |    0 |     0 |        0 |       0 | 1.0 |
| loop       |     5 |         1000 |   2.000 |          - |    0 |     0 |        0 |       0 | 1.0 |

| CPU, turn by turn | all turns | median |        95 in 100 | half of the turns |
| ----------------- | --------: | -----: | ---------------: | ----------------: |
| loop to bridge    |    1.273x | 0.750x | 0.500x to 2.000x |  0.500x to 1.000x |
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

// A bridge whose console is open delivers as it does otherwise.
func TestWatched(t *testing.T) { measureAll(t, newTestBench(t), "bridge-watched") }

func TestOptions(t *testing.T) {
	for _, c := range []struct{ args, err string }{
		{"-peer loop,emqx", `-peer "emqx": one of bridge-attacked, bridge-untrailed, bridge-watched, centrifuge, loop, loop-batched, loop-deflate, mosquitto-ws, nats, rabbitmq, replicas`},
		{"-tls -peer loop,nats", "-tls is for the bridge and the loops, not for nats"},
		{"-heart-beat 100ms", "-heart-beat 100ms: from 1s to 1h"},
		{"-idle 10,5", `-idle "10,5": want rising numbers with commas`},
		{"-idle ten", `-idle "ten": want numbers from 1 on, with commas`},
		{"-sessions 100,100", `-sessions "100,100": want rising numbers with commas`},
		{"-sessions 10,20,30 -events 1,2", `-events "1,2": want one number, or one for each of -sessions`},
		{"-events 1,0", `-events "1,0": want numbers from 1 on, with commas`},
		{"-storm hup", `-storm "hup": term or kill`},
		{"-storm kill -journal memory", "-storm needs -qos 1, -journal disk or nats, and a -warm of 1 or more; otherwise there is nothing to resume from"},
		{"-storm kill -warm 0", "-storm needs -qos 1, -journal disk or nats, and a -warm of 1 or more; otherwise there is nothing to resume from"},
		{"-storm kill -broker embedded", "-storm needs -broker mosquitto: the embedded broker mixes up the events that it keeps for a bridge that is away"},
		{"-storm kill -peer loop", "-storm cannot be combined with -peer, -idle, -rate and -profile"},
		{"-storm kill -not-reading 51", "-not-reading is a percentage from 0 to 50"},
		{"-not-reading 1", "-not-reading is for a -storm"},
		{"-alternate -1", "-alternate is 1 or more, and cannot be combined with -idle, -storm and -profile"},
		{"-alternate 2 -idle 5", "-alternate is 1 or more, and cannot be combined with -idle, -storm and -profile"},
		{"-alternate 1000 -events 10000", "from 1 to 9999999 events, those for warming up included"},
		{"-ids both", `-ids "both": shared or distinct`},
		{"-qos 2", "-qos 2: 0 or 1"},
		{"-events 10000000", "from 1 to 9999999 events, those for warming up included"},
		{"-sessions 5000000", "from 1 to 4000000 sessions"},
		{"-broker emqx", `-broker "emqx": mosquitto or embedded`},
		{"-journal tape", `-journal "tape": memory, disk or nats`},
		{"-tables -sessions 10 -rounds 1 -qos 0", "-tables cannot be combined with -qos\n-tables cannot be combined with -sessions"},
		{"-tables -rounds -1", "-rate, -attacks, -inflight, -rounds, -size, -settle or -idle-for is out of its range"},
		{"-inflight 0", "-rate, -attacks, -inflight, -rounds, -size, -settle or -idle-for is out of its range"},
		{"-idle-for 0s", "-rate, -attacks, -inflight, -rounds, -size, -settle or -idle-for is out of its range"},
	} {
		if _, err := parseOptions(strings.Fields(c.args), io.Discard); err == nil || err.Error() != c.err {
			t.Errorf("%s: got error %v, want %s", c.args, err, c.err)
		}
	}
	o, err := parseOptions([]string{"-peer", "all", "-idle", "1000,5000"}, io.Discard)
	if err != nil || len(o.subjects) != 7 || o.mostSessions() != 5000 {
		t.Errorf("got %+v, %v", o, err)
	}
}

// All tables can be run, with what they need.
func TestTables(t *testing.T) {
	o, err := parseOptions([]string{"-tables"}, io.Discard)
	want := []string{"bridge", "centrifuge", "loop", "loop-batched", "loop-deflate", "mosquitto-ws", "nats"}
	if d := cmp.Diff(want, o.subjects); d != "" || err != nil || o.mostSessions() != 1000 || o.rounds != 3 {
		t.Errorf("%v, %d sessions, %d rounds, subjects (-want +got):\n%s", err, o.mostSessions(), o.rounds, d)
	}
	b := newTestBench(t)
	b.rounds = 2
	small := table{"small", "-tls -sessions 1,5 -events 20 -peer loop", "loop"}
	var out bytes.Buffer
	got, err := b.runTable(t.Context(), small, &out)
	skipAbsent(t, err)
	if err != nil || len(got) != 2 || got[0].load != (load{1, 20}) || got[1].load != (load{5, 20}) {
		t.Fatalf("got %+v, %v, in\n%s", got, err, &out)
	}
	seconds := func(n time.Duration) result { return result{server: usage{cpu: n * time.Second}, broker: time.Second} }
	sums := newSummary()
	sums.add(small, measured{load{5, 20}, map[string]result{"bridge": seconds(3), "loop": seconds(2), "nats": seconds(4)}})
	sums.add(table{title: "front", limit: inFront}, measured{load{1, 20}, map[string]result{"bridge": seconds(3)}})
	sums.add(table{title: "deflated"}, measured{load{1, 20}, map[string]result{
		"loop-batched": {bytes: 400, server: usage{cpu: 4}}, "loop-deflate": {bytes: 300, server: usage{cpu: 5}}}})
	out.Reset()
	sums.write(&out)
	table := `### Summary

| CPU s/M              | limit | bridge | nats | centrifuge | mosquitto-ws | bridge to limit | to nats | to centrifuge |
| -------------------- | ----: | -----: | ---: | ---------: | -----------: | --------------: | ------: | ------------: |
| small, to 5 sessions |  2.00 |   3.00 | 4.00 |          - |            - |           1.50x |   0.75x |             - |
| front, to 1 session  |  1.00 |   3.00 |    - |          - |            - |           3.00x |       - |             - |

| loop-deflate to loop-batched | bytes |   CPU |
| ---------------------------- | ----: | ----: |
| deflated, to 1 session       | 0.75x | 1.25x |
`
	if d := cmp.Diff(table, out.String()); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		args    string
		want    []load
		journal string
	}{
		{"", []load{{1000, 1000}}, "memory"},
		{"-storm term", []load{{10_000, 200}}, "disk"},
		{"-sessions 1,100 -journal disk", []load{{1, 1000}, {100, 1000}}, "disk"},
		{"-sessions 1,100,1000 -events 50000,2000,200", []load{{1, 50_000}, {100, 2000}, {1000, 200}}, "memory"},
	} {
		o, err := parseOptions(strings.Fields(c.args), io.Discard)
		if d := cmp.Diff(c.want, o.loads, cmp.AllowUnexported(load{})); d != "" || o.journal != c.journal || err != nil {
			t.Errorf("%q: journal %q, error %v, loads (-want +got):\n%s", c.args, o.journal, err, d)
		}
	}
}

func TestMedian(t *testing.T) {
	got := median([]result{
		{deliveries: 3, bytes: 7, lost: 1, server: usage{cpu: 1, memory: 9}},
		{deliveries: 1, bytes: 5, lost: 1, server: usage{cpu: 2, memory: 7}},
		{deliveries: 2, bytes: 6, disorder: 1, server: usage{cpu: 3, memory: 8}},
	})
	want := result{deliveries: 2, bytes: 6, lost: 2, disorder: 1, server: usage{cpu: 2, memory: 8}}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The program's own output: a table for each number of sessions, and the ratios.
func TestRunEvents(t *testing.T) {
	b := newTestBench(t)
	b.broker, b.subjects, b.loads = "embedded", []string{"bridge", "loop"}, []load{{1, 20}, {30, 10}}
	var out bytes.Buffer
	if err := b.runEvents(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	heads := regexp.MustCompile(`(?m)^\| (1 session|30 sessions|bridge to) +\| deliveries/s `).FindAllString(out.String(), -1)
	if len(heads) != 4 {
		t.Errorf("got tables %q, want two and their ratios, in\n%s", heads, &out)
	}
}

// newTestBench returns a bench of 20 sessions and 50 events.
func newTestBench(t *testing.T) *bench {
	t.Helper()
	o, err := parseOptions([]string{"-sessions", "20", "-events", "50", "-warm", "5"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := prepareShared(); err != nil {
		t.Fatal(err)
	}
	return &bench{options: o, stderr: t.Output(), dir: t.TempDir(), programs: shared.programs, tokens: shared.tokens, secret: shared.secret}
}

// measureAll runs the events through the named subject, where nothing may go wrong.
func measureAll(t *testing.T, b *bench, name string) result {
	t.Helper()
	r, err := b.measure(t.Context(), name, b.loads[0])
	skipAbsent(t, err)
	if err != nil {
		t.Fatal(err)
	}
	if r.lost != 0 || r.duplicates != 0 || r.disorder != 0 || r.unacked != 0 {
		t.Errorf("lost %d, twice %d, disorder %d, unacknowledged %d", r.lost, r.duplicates, r.disorder, r.unacked)
	}
	if r.deliveries == 0 || r.latency[0] == 0 || r.connects == 0 || r.server.memory == 0 {
		t.Errorf("a figure is missing: %+v", r)
	}
	return r
}
