package mosquittotest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// Ports for listeners lie below those that systems give to outgoing connections, from 32768 or
// higher: one of these would take the port before its listener does, and who dials it while nobody
// listens may even reach itself.
const (
	lowestPort = 10000
	ports      = 22000
)

// Ports are handed out in turn from a random one on, so that none comes twice in a process, and
// hardly ever in two at a time.
var (
	firstPort = rand.Uint32N(ports)
	handedOut atomic.Uint32
)

// FreeAddr returns a loopback address, host:port, on which nobody listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	var err error
	for range ports {
		addr := fmt.Sprintf("127.0.0.1:%d", lowestPort+(firstPort+handedOut.Add(1))%ports)
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatalf("no port is free: %v", err)
	return ""
}
