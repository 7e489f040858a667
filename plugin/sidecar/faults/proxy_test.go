package faults_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A proxy forwards TCP connections and can fail in the ways a network does.
type proxy struct {
	addr   string
	target string
	late   time.Duration // by which what the target sends comes later
	l      net.Listener

	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	swallow bool // new links forward nothing
	held    map[direction]chan struct{}
	links   map[*link]bool
}

// A direction is one of the two that bytes take; to the target or back. What is held waits until
// its channel is closed.
type direction bool

const (
	there direction = true
	back  direction = false
)

// A link is one connection through the proxy. Once it is dead it takes what comes and forwards
// nothing, not even an end.
type link struct {
	in, out *net.TCPConn
	dead    bool // guarded by proxy.mu
}

func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	return startLateProxy(t, target, 0)
}

func startLateProxy(t testing.TB, target string, late time.Duration) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: target, late: late, l: l, held: map[direction]chan struct{}{}, links: map[*link]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.release()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		k := &link{in: in.(*net.TCPConn), out: out.(*net.TCPConn)}
		if !p.add(k) {
			k.reset()
			return
		}
		var ends sync.WaitGroup
		ends.Go(func() { p.forward(k, there, k.out, k.in) })
		ends.Go(func() { p.forward(k, back, k.in, p.delayed(k.out)) })
		p.running.Go(func() {
			ends.Wait()
			k.reset()
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.links, k)
		})
	}
}

func (p *proxy) add(k *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.dead = p.swallow
	p.links[k] = true
	return !p.closed
}

// forward copies one direction until its source ends.
func (p *proxy) forward(k *link, d direction, to *net.TCPConn, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		dead := p.wait(k, d)
		if n > 0 && !dead {
			to.Write(buffer[:n])
		}
		if err != nil {
			if !dead {
				to.CloseWrite()
			}
			return
		}
	}
}

// delayed returns what comes from the connection, as late as the proxy is.
func (p *proxy) delayed(from *net.TCPConn) io.Reader {
	if p.late == 0 {
		return from
	}
	type chunk struct {
		due  time.Time
		data []byte
		err  error
	}
	chunks := make(chan chunk, 1<<14)
	p.running.Go(func() {
		defer close(chunks)
		for {
			c := chunk{data: make([]byte, 32<<10)}
			var n int
			n, c.err = from.Read(c.data)
			c.due, c.data = time.Now().Add(p.late), c.data[:n:n]
			chunks <- c
			if c.err != nil {
				return
			}
		}
	})
	return readerFunc(func(b []byte) (int, error) {
		c := <-chunks
		time.Sleep(time.Until(c.due))
		return copy(b, c.data), c.err
	})
}

// A readerFunc is called with the buffer of forward, which is as large as a chunk.
type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// wait waits while the direction is held, and reports whether the link is dead.
func (p *proxy) wait(k *link, d direction) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.held[d] != nil {
		held := p.held[d]
		p.mu.Unlock()
		<-held
		p.mu.Lock()
	}
	return k.dead
}

func (k *link) reset() {
	for _, c := range []*net.TCPConn{k.in, k.out} {
		c.SetLinger(0)
		c.Close()
	}
}

// cut resets all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.links {
		k.reset()
	}
}

// hold forwards nothing in the directions until release, and takes hardly more: whoever sends there
// feels a peer that does not read.
func (p *proxy) hold(directions ...direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range directions {
		p.held[d] = make(chan struct{})
	}
}

// release ends a hold; nothing was lost by it.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, held := range p.held {
		close(held)
	}
	clear(p.held)
}

// blackhole makes all connections half-open, and those made until heal: what is sent goes nowhere,
// and nobody is told.
func (p *proxy) blackhole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = true
	for k := range p.links {
		k.dead = true
	}
}

// heal forwards what is connected from now on. Connections that were half-open stay so.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = false
}
