package service

import (
	"net"
	"slices"
	"time"
)

// Who has asked must take the answer: at least so many bytes in that time, which a slow line manages.
// A browser that sleeps, or somebody who never reads, would keep one of few connections for good.
const (
	answerPart = 64 << 10
	answerTime = 10 * time.Second // for each part
)

// answers is a listener whose connections fail when the other side does not read.
type answers struct{ net.Listener }

// Accept implements net.Listener.
func (l answers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &answering{c}, nil
}

// answering is a connection that gives up a write when answerTime passes without a part of it.
type answering struct{ net.Conn }

// Write implements net.Conn.
func (c *answering) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, answerPart) {
		c.SetWriteDeadline(time.Now().Add(answerTime))
		written, err := c.Conn.Write(part)
		if n += written; err != nil {
			return n, err
		}
	}
	return n, nil
}
