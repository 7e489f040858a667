package jetstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/journal"
)

// The defaults of Config.
const (
	DefaultName     = "mqtt-stomp-bridge"
	DefaultReplicas = 3
)

// Config says where a log's stream is, and bounds the log. Zero fields take the defaults.
type Config struct {
	URLs     []string // of NATS servers; required
	Name     string   // of the log, the same at all replicas: see ValidName; default DefaultName
	Replicas int      // of the stream and the lease, among the NATS servers; default DefaultReplicas
	ID       string   // of this replica, another one at each: see ValidID; default the name of the host

	// Tell returns what this replica tells the others: Version, Config, ClientID, BaseTopic and
	// Sessions. It is called from then on, and until Close has returned. The log sets the rest. Nil: nothing.
	Tell func() journal.Replica

	Username    string
	Password    func() ([]byte, error)         // called before each connection, so that a file is read again; nil: none
	Credentials string                         // file with a user's JWT and key, read again for each connection; "" for none
	TLS         *tls.Config                    // nil: none, unless a URL or the server asks for it
	RootCAs     func() (*x509.CertPool, error) // called before each connection; nil: those of TLS

	Options
}

var (
	validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	validID   = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
)

// ValidName reports whether a log can have the name: it becomes a part of the names of a stream, a
// bucket and subjects.
func ValidName(name string) bool { return validName.MatchString(name) }

// ValidID reports whether a replica can have the ID: it becomes a part of the name of a key.
func ValidID(id string) bool { return validID.MatchString(id) }

func (c Config) withDefaults() (Config, error) {
	c.Name = cmp.Or(c.Name, DefaultName)
	c.Replicas = cmp.Or(c.Replicas, DefaultReplicas)
	c.Options = c.Options.withDefaults()
	if c.ID == "" {
		c.ID, _ = os.Hostname()
	}
	switch {
	case len(c.URLs) == 0:
		return c, errors.New("journal: no URL of a NATS server")
	case !ValidName(c.Name):
		return c, fmt.Errorf("journal: the name %q may have letters, digits, - and _ only", c.Name)
	case len(c.ID) > maxID || !ValidID(c.ID):
		return c, fmt.Errorf("journal: the id %q of this replica may have up to %d letters, digits, - and _, and dots between them", c.ID, maxID)
	case c.Replicas < 1 || c.Replicas > 5:
		return c, fmt.Errorf("journal: %d replicas of the stream; NATS has 1 to 5", c.Replicas)
	}
	return c, nil
}

// maxID bounds the bytes of an ID: host names have as many.
const maxID = 253

// Open returns the log of that name, once all that there is was read. It creates the stream where
// there is none. While the servers cannot be reached it waits, until ctx is done. A stream with
// other settings than those that a log needs is refused, and not changed.
func Open(ctx context.Context, c Config) (*Log, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	c.Options.id, c.Options.tell = c.ID, c.Tell
	return open(ctx, s, c.Options)
}

// A natsStore is a store on NATS JetStream.
type natsStore struct {
	config  Config
	logger  *slog.Logger
	conn    *nats.Conn
	stream  jetstream.Stream
	leases  jetstream.KeyValue
	subject string                 // of the messages in the stream
	direct  string                 // subject of requests for messages
	again   atomic.Pointer[func()] // called when it has connected again
	denied  *denials
	seen    error // by try; while it begins

	last, noPassword atomic.Pointer[error] // of the attempts to connect
}

// append implements store. The request is JetStream's publish, which jetstream.Publish would repeat
// by itself.
func (s *natsStore) append(ctx context.Context, after uint64, data []byte) error {
	m := nats.NewMsg(s.subject)
	m.Data = data
	m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(after, 10))
	began := time.Now()
	answer, err := s.conn.RequestMsgWithContext(ctx, m)
	if err != nil {
		return s.explain(began, err)
	}
	var ack struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("answer to an append: %w", err)
	}
	switch {
	case ack.Error != nil:
		return appendError(ack.Error)
	case ack.Sequence != after+1:
		return fmt.Errorf("answer to an append behind sequence %d: it has %d", after, ack.Sequence)
	}
	return nil
}

func appendError(e *jetstream.APIError) error {
	switch e.ErrorCode {
	case codeWrongSequence, codeWrongSequenceR3:
		return errBehind
	case codeNoStorage, codeNoMemory, codeNoResources:
		return fmt.Errorf("%w: %s", errFull, e.Description)
	case codeStoreFailed:
		if strings.Contains(e.Description, "maximum bytes") {
			return fmt.Errorf("%w: %s", errFull, e.Description)
		}
	}
	return e
}

// ends implements store.
func (s *natsStore) ends(ctx context.Context) (first, last uint64, err error) {
	began := time.Now()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, 0, s.explain(began, err)
	}
	if info.State.Msgs == 0 {
		return info.State.LastSeq + 1, info.State.LastSeq, nil
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// purge implements store.
func (s *natsStore) purge(ctx context.Context, before uint64) error {
	if before <= 1 { // 0 means everything, and so does 1 to nats-server 2.9
		return nil
	}
	began := time.Now()
	return s.explain(began, s.stream.Purge(ctx, jetstream.WithPurgeSequence(before)))
}

// explain returns in place of the error, which is that of a request since then, what is known to be
// the cause.
func (s *natsStore) explain(began time.Time, err error) error {
	if err == nil {
		return nil
	}
	if absence := s.absence(); absence != nil {
		return absence
	}
	return s.denied.explain(began, err)
}

func load(p *atomic.Pointer[error]) error {
	if err := p.Load(); err != nil {
		return *err
	}
	return nil
}

// subscribe implements store: the stream's leader publishes again what was committed.
func (s *natsStore) subscribe(f func(sequence uint64, data []byte)) (stop func(), err error) {
	sub, err := s.conn.Subscribe(s.config.Name+".tail", func(m *nats.Msg) {
		if sequence, ok := sequenceOf(m); ok {
			f(sequence, m.Data)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := sub.SetPendingLimits(-1, tailBytes); err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

func sequenceOf(m *nats.Msg) (uint64, bool) {
	n, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	return n, err == nil
}

// messageHeader is more than what the header of an append takes.
const messageHeader = 4 << 10

// maxMessage implements store.
func (s *natsStore) maxMessage() int { return int(s.conn.MaxPayload()) - messageHeader }

// close implements store.
func (s *natsStore) close() { s.conn.Close() }
