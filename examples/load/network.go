//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// sessionsPerSource is how many sessions share a source address: fewer than Linux has ephemeral
// ports.
const sessionsPerSource = 20_000

// sourceAddress returns the loopback address that the session connects from.
func sourceAddress(session int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+session/sessionsPerSource))}
}

// maxSessions is how many sessions the loopback addresses are good for.
const maxSessions = 200 * sessionsPerSource

// raiseFileLimit lets this process and those that it starts open that many files.
func raiseFileLimit(files uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	wanted := syscall.Rlimit{Cur: max(files, limit.Cur), Max: max(files, limit.Max)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted); err != nil {
		return fmt.Errorf("raising the number of open files from %d to %d (ulimit -n): %w", limit.Max, files, err)
	}
	return nil
}

// Ports for listeners lie below those that systems give to outgoing connections, from 32768 or
// higher: one of these would take the port before its listener does.
const (
	lowestPort = 10000
	ports      = 22000
)

// freeAddresses returns different loopback addresses that nobody listened on a moment ago.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := listenAnywhere()
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before all are there, or one might come twice
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

func listenAnywhere() (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowestPort+rand.IntN(ports))); err == nil {
			break
		}
	}
	return l, err
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
