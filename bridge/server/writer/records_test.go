package writer_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

// block publishes until w is held up and falls behind, and returns how many entries that took.
func (b *bench) block(w *writer.Writer) (entries int) {
	b.t.Helper()
	filler := strings.Repeat("x", 8000)
	eventually(b.t, "the Writer to be held up", func() bool {
		entries++
		b.publish(fmt.Sprint(entries, filler))
		s := w.Status()
		return s.HeldUp && s.Subscriptions[0].Waiting > 50
	})
	return entries
}

// wantBlocked reads what block has published.
func (p *peer) wantBlocked(entries int) {
	p.t.Helper()
	for i := range entries {
		p.want(fmt.Sprint("a ", i+1, strings.Repeat("x", 8000)))
	}
}

// A client that was held up gets everything when it reads again, then the last bytes, and sees that
// nothing was cut off.
func TestEndOfHeldUp(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		b := newBench(t, limits, 0, journal.MemoryOptions{}).secure(secure)
		w, conn := b.dial()
		subscribe(w, "a", "")
		n := b.block(w)
		p := newPeer(t, conn)
		p.wantBlocked(n)
		w.End(func(*hub.Feed) []byte { return []byte("last\n") })
		p.want("last")
		if rest, err := io.ReadAll(p); len(rest) > 0 || err != nil { // with TLS an error, if its end was not announced
			t.Errorf("after the last bytes came %q, %v", rest, err)
		}
		if n := b.pool.Unread(); n > 0 {
			t.Errorf("%d bytes are kept", n)
		}
	})
}

// A write to a client that does not read fails, after its timeout or soon after the end.
func TestHeldUpForGood(t *testing.T) {
	bothWays(t, func(t *testing.T, secure bool) {
		for name, timeout := range map[string]time.Duration{"in between": 50 * time.Millisecond, "at the end": time.Hour} {
			t.Run(name, func(t *testing.T) {
				b := newBench(t, writer.Limits{WriteTimeout: timeout, AnswerBytes: 64}, 0, journal.MemoryOptions{}).secure(secure)
				w, _ := b.dial()
				subscribe(w, "a", "")
				if timeout == time.Hour {
					b.block(w)
					w.End(func(*hub.Feed) []byte { return []byte("last\n") })
					w.Await()
				}
				eventually(t, "the write to fail", func() bool {
					b.publish(strings.Repeat("x", 8000))
					return w.Err() != nil
				})
				var failure net.Error
				if err := w.Err(); !errors.As(err, &failure) || !failure.Timeout() {
					t.Errorf("failed with %v, want a timeout", err)
				}
				eventually(t, "nothing to be kept", func() bool { return b.pool.Unread() == 0 })
			})
		}
	})
}

// A secureBench has one Writer, and both its ends.
type secureBench struct {
	*bench
	writer *writer.Writer
	peer   *tls.Conn
	forger *forger
	deaf   atomic.Bool // the Writer's side is not read any more
}

func newSecureBench(t *testing.T) *secureBench {
	t.Helper()
	patient := writer.Limits{WriteTimeout: time.Hour, AnswerBytes: 64}
	b := &secureBench{bench: newBench(t, patient, 0, journal.MemoryOptions{}), forger: &forger{t: t}}
	server, client := bridgetest.TLS()
	client.KeyLogWriter = b.forger
	conn, peer := connect(t, server, client)
	b.peer = peer.(*tls.Conn)
	b.forger.conn = b.peer.NetConn()
	b.writer = b.pool.New(conn, func(err error) { t.Errorf("the feed failed: %v", err) })
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(io.Discard, conn)
		b.deaf.Store(true)
	}()
	t.Cleanup(func() {
		end(b.writer, peer, conn)
		<-read
	})
	subscribe(b.writer, "a", "")
	return b
}

// A client may ask for other keys at any time. The answer comes after the records that wait, and
// keeps nobody from reading.
func TestKeysChangeWhileHeldUp(t *testing.T) {
	b := newSecureBench(t)
	n := b.block(b.writer)
	for range 3 {
		b.forger.changeKeys()
		b.forger.send(recordData, []byte("data"))
	}
	p := newPeer(t, b.peer)
	p.wantBlocked(n)
	b.forger.changeKeys()
	b.publish("in between")
	p.want("a in between")
}

// A client that asks for more answers than are kept, and does not read them, is cut off.
func TestUnreadAnswersOfTLS(t *testing.T) {
	b := newSecureBench(t)
	b.block(b.writer)
	for range 1500 { // 27 bytes each
		b.forger.changeKeys()
		b.forger.send(recordData, []byte("data")) // or TLS itself would end it
	}
	eventually(t, "nothing more to be read", b.deaf.Load)
	go io.Copy(io.Discard, b.peer.NetConn())
	eventually(t, "the Writer to fail", func() bool { return b.writer.Err() != nil })
}

// A forger sends records of TLS 1.3 that crypto/tls has no call for, after the handshake and in
// place of its own. It is told the secret as a key log.
type forger struct {
	t      *testing.T
	conn   net.Conn
	log    bytes.Buffer
	secret []byte // of the keys in use; nil: those after the handshake
	sent   uint64 // records with these keys
}

// Types of records, RFC 8446, 5.1.
const (
	recordHandshake = 22
	recordData      = 23
)

// Write implements io.Writer for a key log.
func (f *forger) Write(line []byte) (int, error) { return f.log.Write(line) }

// changeKeys asks for other keys and begins to use those of its own side, RFC 8446, 4.6.3 and 7.2.
func (f *forger) changeKeys() {
	f.send(recordHandshake, []byte{24, 0, 0, 1, 1})
	f.secret, f.sent = f.expand("traffic upd", sha256.Size), 0
}

// send seals a record, RFC 8446, 5.2 and 5.3.
func (f *forger) send(kind byte, content []byte) {
	f.t.Helper()
	if f.secret == nil {
		_, line, _ := strings.Cut(f.log.String(), "CLIENT_TRAFFIC_SECRET_0 ")
		var random, secret string
		fmt.Sscan(line, &random, &secret)
		f.secret, _ = hex.DecodeString(secret)
	}
	block, err := aes.NewCipher(f.expand("key", 16))
	if err != nil {
		f.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		f.t.Fatal(err)
	}
	nonce := f.expand("iv", 12)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^f.sent)
	f.sent++
	record := []byte{recordData, 3, 3}
	record = binary.BigEndian.AppendUint16(record, uint16(len(content)+1+aead.Overhead()))
	record = aead.Seal(record, nonce, append(content, kind), record)
	if _, err := f.conn.Write(record); err != nil {
		f.t.Fatal(err)
	}
}

// expand is HKDF-Expand-Label without a context, RFC 8446, 7.1.
func (f *forger) expand(label string, length int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(append(info, byte(len(label))), label...), 0)
	out, err := hkdf.Expand(sha256.New, f.secret, string(info), length)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}
