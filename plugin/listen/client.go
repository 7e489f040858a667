// Package listen is a STOMP-over-WebSocket client that prints what the bridge's queues deliver.
package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/mapping/contract"
)

const (
	handshakeTimeout = 10 * time.Second
	writeTimeout     = 10 * time.Second
	closeTimeout     = 2 * time.Second // for the server's answer to DISCONNECT
	tolerance        = 3               // heart-beat intervals that a server may stay silent

	maxBody    = 8 << 20
	maxMessage = maxBody + 1<<20 // of a WebSocket message: a body and its headers
)

// Config says where to connect and what to ask for.
type Config struct {
	URL        string        // ws:// or wss://
	Token      string        // sent as a Bearer in CONNECT, where a refusal has words; empty: none is sent
	Queues     []string      // what to subscribe to, in order; the n-th subscription has the id "sub-n", from 0
	ResumeFrom string        // a message-id: ask every queue for what came after it; empty: begin now
	Snapshot   bool          // first ask for the newest of each key; not asked of /queue/message, which has no keys
	HeartBeat  time.Duration // what to declare in both directions; default 30s, negative: none
	Header     http.Header   // more headers for the handshake
	TLS        *tls.Config   // for wss; nil: the defaults of crypto/tls
	Logger     *slog.Logger  // nil: nothing is logged

	// For Run.
	Count  int           // messages to print; 0: no end
	Wait   time.Duration // how long to listen, counted from the answered subscriptions; 0: no end
	Format Format        // of a message; default FormatText

	// NetDial opens the connection under the WebSocket; nil: a net.Dialer.
	NetDial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client is one connection to a server. A goroutine reads it, another sends heart-beats; Close ends
// both. SendFrame may be called at any time, the other methods by one goroutine at a time. Dial and
// Open are the only ways to make one.
type Client struct {
	conn   *websocket.Conn
	host   string
	log    *slog.Logger
	own    stomp.HeartBeat // as declared in CONNECT
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	version atomic.Uint32 // stomp.Version, as CONNECTED has it

	writing sync.Mutex // held for each write

	frames  chan stomp.Frame // unbuffered: what is not taken stays in the network; never closed
	readEnd chan struct{}    // closed by the reader when it ends
	readErr error            // why the reader ended; set before readEnd is closed

	connected bool
	waiting   []stomp.Frame // came while Dial waited for receipts
	receipts  int           // asked for so far
}

// Dial opens a connection, sends CONNECT, subscribes to the queues and waits until every
// subscription is answered: from then on nothing is missed. If the server answers with an ERROR,
// the error is a *ServerError.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	own := stomp.HeartBeat{}
	switch {
	case cfg.HeartBeat == 0:
		own.Send, own.Receive = 30*time.Second, 30*time.Second
	case cfg.HeartBeat > 0:
		own.Send, own.Receive = cfg.HeartBeat, cfg.HeartBeat
	}
	c, err := open(ctx, cfg, own)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, cfg); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Open opens a connection and leaves all frames to SendFrame and ReadFrame: CONNECT and heart-beats
// too.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	return open(ctx, cfg, stomp.HeartBeat{})
}

func open(ctx context.Context, cfg Config, own stomp.HeartBeat) (*Client, error) {
	target, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	dialer := websocket.Dialer{
		NetDialContext:   cfg.NetDial,
		TLSClientConfig:  cfg.TLS,
		HandshakeTimeout: handshakeTimeout,
		Subprotocols:     []string{"v12.stomp", "v11.stomp", "v10.stomp"},
	}
	conn, response, err := dialer.DialContext(ctx, cfg.URL, cfg.Header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, fmt.Errorf("dialing %q: the server answered %s%s", target.Redacted(), response.Status, why(response))
	}
	if err != nil {
		return nil, fmt.Errorf("dialing %q: %w", target.Redacted(), err)
	}
	conn.SetReadLimit(maxMessage)
	c := &Client{
		conn:    conn,
		host:    target.Hostname(),
		log:     cfg.Logger,
		own:     own,
		frames:  make(chan stomp.Frame),
		readEnd: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.work.Go(c.read)
	return c, nil
}

// why returns what the answer to a handshake says beside its status, if that is plain text as the
// bridge's is.
func why(response *http.Response) string {
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/plain") {
		return ""
	}
	text, _ := io.ReadAll(response.Body) // which the dialer has cut at 1 KiB
	return fmt.Sprintf(": %q", bytes.TrimSpace(text))
}

// start makes the connection a session with its subscriptions.
func (c *Client) start(ctx context.Context, cfg Config) error {
	if err := c.connect(ctx, cfg.Token); err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	for i, queue := range cfg.Queues {
		if err := c.subscribe(ctx, cfg, i); err != nil {
			return fmt.Errorf("subscribing to %q: %w", queue, err)
		}
	}
	return nil
}

// connect sends CONNECT and waits for CONNECTED.
func (c *Client) connect(ctx context.Context, token string) error {
	connect := stomp.Frame{Command: stomp.CommandConnect, Headers: []stomp.Header{
		{Key: "accept-version", Value: "1.0,1.1,1.2"},
		{Key: "host", Value: c.host},
		{Key: "heart-beat", Value: c.own.String()},
	}}
	if token != "" {
		connect.Headers = append(connect.Headers, stomp.Header{Key: "Authorization", Value: "Bearer " + token})
	}
	if err := c.SendFrame(connect); err != nil {
		return err
	}
	answer, err := c.await(ctx, func(f stomp.Frame) bool { return f.Command == stomp.CommandConnected })
	if err != nil {
		return err
	}
	c.connected = true
	user, _ := answer.Get("user-name")
	server, _ := answer.Get("server")
	c.log.Info("connected", "user", user, "server", server, "version", stomp.Version(c.version.Load()).String())
	if send, _ := c.negotiate(answer); send > 0 {
		c.work.Go(func() { c.beat(send) })
	}
	return nil
}

// subscribe subscribes to the n-th queue and waits for the receipt.
func (c *Client) subscribe(ctx context.Context, cfg Config, n int) error {
	queue := cfg.Queues[n]
	headers := []stomp.Header{{Key: "id", Value: "sub-" + strconv.Itoa(n)}, {Key: "destination", Value: queue}}
	if cfg.ResumeFrom != "" {
		headers = append(headers, stomp.Header{Key: "resume-from", Value: cfg.ResumeFrom})
	}
	if cfg.Snapshot && queue != contract.QueueMessage {
		headers = append(headers, stomp.Header{Key: "snapshot", Value: "latest"})
	}
	receipt, err := c.request(ctx, stomp.Frame{Command: stomp.CommandSubscribe, Headers: headers})
	if err != nil {
		return err
	}
	resume, _ := receipt.Get("resume")
	c.log.Info("subscribed", "queue", queue, "resume", resume)
	if resume == "gap" {
		c.log.Warn("the server cannot resume from there, messages in between are missing", "queue", queue, "resume-from", cfg.ResumeFrom)
	}
	return nil
}

// request sends the frame with a receipt header and waits for the RECEIPT.
func (c *Client) request(ctx context.Context, f stomp.Frame) (stomp.Frame, error) {
	c.receipts++
	id := "receipt-" + strconv.Itoa(c.receipts)
	f.Headers = append(f.Headers, stomp.Header{Key: "receipt", Value: id})
	if err := c.SendFrame(f); err != nil {
		return stomp.Frame{}, err
	}
	return c.await(ctx, func(f stomp.Frame) bool {
		got, _ := f.Get("receipt-id")
		return f.Command == stomp.CommandReceipt && got == id
	})
}

// await returns the first frame that is wanted and keeps the messages before it for Next.
func (c *Client) await(ctx context.Context, wanted func(stomp.Frame) bool) (stomp.Frame, error) {
	for {
		f, err := c.readFrame(ctx)
		switch {
		case err != nil:
			return stomp.Frame{}, err
		case wanted(f):
			return f, nil
		case f.Command == stomp.CommandError:
			return stomp.Frame{}, newServerError(f)
		case f.Command == stomp.CommandMessage:
			c.waiting = append(c.waiting, f)
		}
	}
}

// SendFrame writes one frame, as one WebSocket message, in the version that CONNECTED named (1.0
// before).
func (c *Client) SendFrame(f stomp.Frame) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	wire := stomp.AppendFrame(nil, stomp.Version(c.version.Load()), &f)
	if err := c.conn.WriteMessage(websocket.TextMessage, wire); err != nil {
		return fmt.Errorf("sending %s: %w", f.Command, err)
	}
	return nil
}

// ReadFrame returns the next frame of whatever command. A heart-beat is one too, if it comes while
// ReadFrame waits. When ctx ends it returns the cause, and the client stays good.
func (c *Client) ReadFrame(ctx context.Context) (stomp.Frame, error) {
	if len(c.waiting) > 0 {
		f := c.waiting[0]
		c.waiting = c.waiting[1:]
		return f, nil
	}
	return c.readFrame(ctx)
}

func (c *Client) readFrame(ctx context.Context) (stomp.Frame, error) {
	select {
	case f := <-c.frames:
		return f, nil
	case <-c.readEnd:
		return stomp.Frame{}, c.readErr
	case <-ctx.Done():
		return stomp.Frame{}, context.Cause(ctx)
	}
}

// Next returns the next message, or a *ServerError when an ERROR comes instead. When ctx ends it
// returns the cause, and the client stays good.
func (c *Client) Next(ctx context.Context) (Message, error) {
	for {
		f, err := c.ReadFrame(ctx)
		switch {
		case err != nil:
			return Message{}, err
		case f.Command == stomp.CommandMessage:
			return newMessage(f), nil
		case f.Command == stomp.CommandError:
			return Message{}, newServerError(f)
		}
	}
}

// Close sends DISCONNECT, waits a short time for its receipt, and closes the connection. The error
// says that there was no receipt; it is nil if the server had ended the connection before. A second
// call does nothing.
func (c *Client) Close() error {
	if c.ctx.Err() != nil {
		return nil
	}
	err := c.disconnect()
	c.cancel() // before the server can answer: how reading ends is not its word any more
	c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(closeTimeout))
	c.conn.Close()
	c.work.Wait()
	return err
}

func (c *Client) disconnect() error {
	select {
	case <-c.readEnd:
		return nil
	default:
	}
	if !c.connected {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, closeTimeout)
	defer cancel()
	c.connected = false
	if _, err := c.request(ctx, stomp.Frame{Command: stomp.CommandDisconnect}); err != nil {
		return fmt.Errorf("disconnecting: %w", err)
	}
	return nil
}

// negotiate returns the intervals that a CONNECTED frame settles.
func (c *Client) negotiate(connected stomp.Frame) (send, receive time.Duration) {
	value, _ := connected.Get("heart-beat")
	peer, _ := stomp.ParseHeartBeat(value) // one that is not valid counts as none
	return stomp.NegotiateHeartBeat(c.own, peer)
}

// beat sends heart-beats at half the interval, so that a delay on the way does no harm, until the
// client is closed or a write fails.
func (c *Client) beat(interval time.Duration) {
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if c.SendFrame(stomp.Frame{Command: stomp.CommandHeartBeat}) != nil {
				return // the reader will find out as well
			}
		case <-c.readEnd:
			return
		}
	}
}

// read hands out frames until the connection ends.
func (c *Client) read() {
	defer close(c.readEnd)
	decoder := stomp.NewDecoder(stomp.Limits{Body: maxBody})
	var silence time.Duration // how long the server may send nothing; 0: for ever
	for {
		if silence > 0 {
			c.conn.SetReadDeadline(time.Now().Add(silence))
		}
		_, p, err := c.conn.ReadMessage()
		if err != nil {
			c.readErr = c.readError(err, silence)
			return
		}
		decoder.Write(p)
		for {
			f, err := decoder.Next()
			if err == stomp.ErrIncomplete {
				break
			}
			if err != nil {
				c.readErr = fmt.Errorf("reading frame: %w", err)
				return
			}
			if f.Command == stomp.CommandConnected {
				silence = tolerance * c.settle(decoder, f)
			}
			if !c.deliver(f) {
				c.readErr = net.ErrClosed
				return
			}
		}
	}
}

// settle takes over what a CONNECTED frame says and returns the interval at which to expect
// heart-beats.
func (c *Client) settle(decoder *stomp.Decoder, connected stomp.Frame) time.Duration {
	name, _ := connected.Get("version")
	version, _ := stomp.ParseVersion(name) // 1.0 has no such header
	decoder.SetVersion(version)
	c.version.Store(uint32(version))
	_, receive := c.negotiate(connected)
	return receive
}

// deliver hands out one frame, a heart-beat only if somebody waits for it. It is false when the
// client was closed.
func (c *Client) deliver(f stomp.Frame) bool {
	if f.Command == stomp.CommandHeartBeat {
		select {
		case c.frames <- f:
		default:
		}
		return true
	}
	select {
	case c.frames <- f:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *Client) readError(err error, silence time.Duration) error {
	var timeout net.Error
	switch {
	case c.ctx.Err() != nil:
		return net.ErrClosed
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the server was silent for %v", silence)
	}
	return fmt.Errorf("reading frame: %w", err)
}
