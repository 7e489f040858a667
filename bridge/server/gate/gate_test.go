package gate_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/server/gate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a Gate on loopback.
type bench struct {
	t        *testing.T
	gate     *gate.Gate
	mu       sync.Mutex
	refusals []string
}

func newBench(t *testing.T, c gate.Config) *bench {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t}
	c.Refused = func(r gate.Refusal) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.refusals = append(b.refusals, r.Cause)
	}
	b.gate = gate.New(l, c)
	t.Cleanup(func() { b.gate.Close() })
	return b
}

func (b *bench) causes() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.refusals, ", ")
}

// dial connects from an address of this machine and writes the text.
func (b *bench) dial(from, text string) net.Conn {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", b.gate.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte(text)); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

func (b *bench) accept() net.Conn {
	b.t.Helper()
	conn, err := b.gate.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

// Connections count before they have sent anything, in total and by network. Closed ones do not.
func TestConnectionsCountFromTheFirst(t *testing.T) {
	b := newBench(t, gate.Config{Connections: 5, PerNetwork: 2, Trusted: trust("127.0.0.9/32")})
	through := make(chan net.Conn, 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := b.gate.Accept()
			if err != nil {
				return
			}
			through <- c
		}
	}()
	var open []net.Conn
	var want []string
	for i, step := range []struct{ from, refused string }{
		{"127.0.0.1", ""},
		{"127.0.0.1", ""},
		{"127.0.0.1", gate.TooManyOfAddress},
		{"127.0.0.2", ""},
		{"127.0.0.9", ""}, // a proxy, whose clients are not known yet
		{"127.0.0.9", ""},
		{"127.0.0.3", gate.TooMany},
		{"leave", ""},
		{"127.0.0.1", ""},
		{"127.0.0.9", gate.TooMany},
	} {
		if step.from == "leave" {
			open[0].Close()
			open[0].Close() // counts once
			continue
		}
		b.dial(step.from, "")
		if step.refused == "" {
			c := <-through
			defer c.Close()
			open = append(open, c)
			continue
		}
		want = append(want, step.refused)
		bridgetest.Eventually(t, fmt.Sprint("refusal of step ", i), func() bool { return b.causes() == strings.Join(want, ", ") })
	}
	if n := b.gate.Open(); n != 5 {
		t.Errorf("%d connections are open, want 5", n)
	}
	b.gate.Close()
	<-done
}

func trust(network string) func(netip.Addr) bool {
	return netip.MustParsePrefix(network).Contains
}

func v2(t *testing.T, from string) string {
	t.Helper()
	source := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	h := proxyproto.HeaderProxyFromAddrs(2, source, source)
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// v2With is v2 with a value of that size behind the addresses, as load balancers add them.
func v2With(t *testing.T, from string, size int) string {
	t.Helper()
	source := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	h := proxyproto.HeaderProxyFromAddrs(2, source, source)
	if err := h.SetTLVs([]proxyproto.TLV{{Type: 0xEA, Value: make([]byte, size)}}); err != nil {
		t.Fatal(err)
	}
	text, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What a connection begins with: whether it gets through, as whose, and why not.
func TestBeginnings(t *testing.T) {
	local, err := (&proxyproto.Header{Version: 2, Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}).Format()
	if err != nil {
		t.Fatal(err)
	}
	const v1 = "PROXY TCP4 203.0.113.9 10.0.0.1 50123 80\r\n"
	for name, test := range map[string]struct {
		config gate.Config
		text   string
		remote string // "": that of the connection
		refuse string // "": it gets through
	}{
		"version 1":              {gate.Config{ProxyProtocol: true}, v1 + "GET /", "203.0.113.9:50123", ""},
		"version 1, IPv6":        {gate.Config{ProxyProtocol: true}, "PROXY TCP6 2001:db8::9 2001:db8::1 50123 80\r\nGET /", "[2001:db8::9]:50123", ""},
		"version 1, unknown":     {gate.Config{ProxyProtocol: true}, "PROXY UNKNOWN\r\nGET /", "", ""},
		"version 2":              {gate.Config{ProxyProtocol: true}, v2(t, "203.0.113.9:50123") + "GET /", "203.0.113.9:50123", ""},
		"version 2, IPv6":        {gate.Config{ProxyProtocol: true}, v2(t, "[2001:db8::9]:50123") + "GET /", "[2001:db8::9]:50123", ""},
		"version 2 with more":    {gate.Config{ProxyProtocol: true}, v2With(t, "203.0.113.9:50123", 1000) + "GET /", "203.0.113.9:50123", ""},
		"version 2, local":       {gate.Config{ProxyProtocol: true}, string(local) + "GET /", "", ""},
		"TLS behind it":          {gate.Config{ProxyProtocol: true, TLS: true}, v1 + "\x16\x03\x01GET", "203.0.113.9:50123", ""},
		"none":                   {gate.Config{ProxyProtocol: true}, "GET / HTTP/1.1", "", gate.NoHeader},
		"half of one":            {gate.Config{ProxyProtocol: true, HeaderTimeout: 50 * time.Millisecond}, "PROXY TCP4 203", "", gate.BadHeader},
		"malformed":              {gate.Config{ProxyProtocol: true}, "PROXY TCP4 a b c d\r\nGET /", "", gate.BadHeader},
		"too long":               {gate.Config{ProxyProtocol: true}, "PROXY " + strings.Repeat("x", 300), "", gate.BadHeader},
		"of a stranger":          {gate.Config{ProxyProtocol: true, Trusted: trust("10.0.0.0/8")}, v1 + "GET /", "", gate.UnexpectedHeader},
		"a stranger without one": {gate.Config{ProxyProtocol: true, Trusted: trust("10.0.0.0/8")}, "GET /", "", ""},
		"version 1, off":         {gate.Config{}, v1 + "GET /", "", gate.UnexpectedHeader},
		"version 2, off":         {gate.Config{}, v2(t, "203.0.113.9:50123"), "", gate.UnexpectedHeader},
		"version 2, off, TLS":    {gate.Config{TLS: true}, v2(t, "203.0.113.9:50123"), "", gate.UnexpectedHeader},
		"plain":                  {gate.Config{}, "GET /", "", ""},
		"an empty line":          {gate.Config{}, "\r\nGET /", "", ""},
		"TLS":                    {gate.Config{TLS: true}, "\x16\x03\x01GET /", "", ""},
		"TLS without TLS":        {gate.Config{}, "\x16\x03\x01\x02\x00", "", gate.UnexpectedTLS},
	} {
		t.Run(name, func(t *testing.T) {
			if test.config.Trusted == nil {
				test.config.Trusted = trust("127.0.0.0/8")
			}
			b := newBench(t, test.config)
			client := b.dial("127.0.0.1", test.text)
			c := b.accept()
			p := make([]byte, 100)
			n, err := c.Read(p)
			if got := b.causes(); got != test.refuse || (err == nil) != (test.refuse == "") {
				t.Fatalf("read %q, %v, refused %q, want %q", p[:n], err, got, test.refuse)
			}
			remote := test.remote
			if remote == "" {
				remote = client.LocalAddr().String()
			}
			if got := c.RemoteAddr().String(); got != remote {
				t.Errorf("it is from %s, want %s", got, remote)
			}
			if test.refuse == "" && !strings.HasSuffix(test.text, string(p[:n])) {
				t.Errorf("read %q", p[:n])
			}
		})
	}
}

// A check whether the port is open is not reported. A plain request on a port with TLS is, and
// net/http answers it.
func TestNotRefused(t *testing.T) {
	b := newBench(t, gate.Config{ProxyProtocol: true, Trusted: trust("127.0.0.0/8")})
	b.dial("127.0.0.1", "").Close()
	if _, err := b.accept().Read(make([]byte, 1)); err != io.EOF || b.causes() != "" {
		t.Errorf("a look: %v, %s", err, b.causes())
	}
	b = newBench(t, gate.Config{TLS: true})
	b.dial("127.0.0.1", "GET / HTTP/1.1\r\n")
	if n, err := b.accept().Read(make([]byte, 100)); n == 0 || err != nil || b.causes() != gate.ExpectedTLS {
		t.Errorf("plain on TLS: %d, %v, %s", n, err, b.causes())
	}
}

// Behind a proxy, the clients count that its headers name.
func TestClientsOfAProxyCount(t *testing.T) {
	b := newBench(t, gate.Config{PerNetwork: 1, ProxyProtocol: true, Trusted: trust("127.0.0.0/8")})
	for _, test := range []struct {
		from string
		ok   bool
	}{{"203.0.113.9:1", true}, {"203.0.113.9:2", false}, {"203.0.113.8:1", true}, {"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", false}} {
		b.dial("127.0.0.1", v2(t, test.from)+"GET /")
		if _, err := b.accept().Read(make([]byte, 10)); (err == nil) != test.ok {
			t.Errorf("from %s: %v", test.from, err)
		}
	}
	if want := gate.TooManyOfAddress + ", " + gate.TooManyOfAddress; b.causes() != want {
		t.Errorf("refused %q", b.causes())
	}
}

// A deadline set before the header has come holds for it and after it.
func TestDeadlineBeforeTheHeader(t *testing.T) {
	b := newBench(t, gate.Config{ProxyProtocol: true, Trusted: trust("127.0.0.0/8")})
	b.dial("127.0.0.1", v2(t, "203.0.113.9:1"))
	c := b.accept()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read: %v, want a timeout", err)
	}
}

// A failing listener fails in the way it is told.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		return f.Listener.Accept()
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

// Errors of accept are logged once, and again when they change; then that it works again.
func TestAcceptErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: l}
	for _, e := range []error{syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, syscall.ENFILE, net.ErrClosed} {
		f.errs = append(f.errs, &net.OpError{Op: "accept", Err: e})
	}
	var log bridgetest.Buffer
	g := gate.New(f, gate.Config{Name: "server.listen", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer g.Close()
	for range len(f.errs) {
		if c, err := g.Accept(); err == nil {
			t.Fatalf("accepted %v", c)
		}
	}
	go func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
		}
	}()
	c, err := g.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	got := log.String()
	for text, want := range map[string]int{"level=ERROR": 2, "too many open files\"": 1, "too many open files in system": 1, "failures=5": 1, fmt.Sprintf("listener=%s", "server.listen"): 3} {
		if n := strings.Count(got, text); n != want {
			t.Errorf("%q stands %d times in the log, want %d:\n%s", text, n, want, got)
		}
	}
}
