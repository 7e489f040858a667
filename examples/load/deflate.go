//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"sync"
)

// deflateOffer is what a session asks for: every message is compressed by itself (RFC 7692, 7.1.1),
// so that one result is good for all sessions.
const deflateOffer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// syncTail is the end of a flushed block, which a message leaves out (RFC 7692, 7.2.1).
const syncTail = "\x00\x00\xff\xff"

// finalBlock is an empty last block: the end of a stream for those who inflate it.
const finalBlock = "\x01\x00\x00\xff\xff"

// A deflater compresses messages, each by itself. newDeflater makes one.
type deflater struct {
	w   *flate.Writer
	out bytes.Buffer
}

func newDeflater(level int) *deflater {
	d := &deflater{}
	var err error
	if d.w, err = flate.NewWriter(&d.out, level); err != nil {
		panic("load: " + err.Error())
	}
	return d
}

// message returns the payload compressed, until the next call. Writing into a buffer does not fail.
func (d *deflater) message(payload []byte) []byte {
	d.out.Reset()
	d.w.Reset(&d.out)
	d.w.Write(payload)
	d.w.Flush()
	return bytes.TrimSuffix(d.out.Bytes(), []byte(syncTail))
}

// appendFrame appends a frame with the payload compressed.
func (d *deflater) appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	message := d.message(payload)
	return append(appendFrameHeader(dst, opcode|rsv1, 0, len(message)), message...)
}

// An inflater undoes what a deflater has done. It keeps what came last, since every session gets the
// same bytes, so that the load keeps up as it does without compression. newInflater makes one; it is
// safe for concurrent use.
type inflater struct {
	mu   sync.RWMutex
	kept map[string][]byte // compressed -> content, which is read-only
}

// keptMessages is how many an inflater keeps: more than are usually in flight.
const keptMessages = 1000

func newInflater() *inflater { return &inflater{kept: map[string][]byte{}} }

// message returns the content of a compressed message.
func (i *inflater) message(payload []byte) ([]byte, error) {
	i.mu.RLock()
	content, found := i.kept[string(payload)]
	i.mu.RUnlock()
	if found {
		return content, nil
	}
	content, err := inflate(payload)
	if err != nil {
		return nil, fmt.Errorf("inflating a frame: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.kept) >= keptMessages {
		clear(i.kept)
	}
	i.kept[string(payload)] = content
	return content, nil
}

func inflate(payload []byte) ([]byte, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(syncTail+finalBlock)))
	content, err := io.ReadAll(io.LimitReader(r, maxPayload+1))
	if err == nil && len(content) > maxPayload {
		err = errFrame
	}
	return content, err
}
