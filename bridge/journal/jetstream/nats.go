package jetstream

import (
	"cmp"
	"context"
	"crypto/tls"
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

	Username, Password string
	Credentials        string      // file with a user's JWT and key; "" for none
	TLS                *tls.Config // nil: none, unless a URL asks for it

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
}

// Connections that are silent for twice the interval are given up.
const (
	pingInterval  = 2 * time.Second
	reconnectWait = 100 * time.Millisecond
	tailBytes     = 64 << 20 // that may wait to be applied; what does not fit is read later
)

func connect(ctx context.Context, c Config) (*natsStore, error) {
	s := &natsStore{config: c, logger: c.Logger, subject: c.Name + ".log", direct: "$JS.API.DIRECT.GET." + c.streamName()}
	var err error
	if s.conn, err = nats.Connect(strings.Join(c.URLs, ","), s.options()...); err != nil {
		return nil, fmt.Errorf("journal: connecting to NATS: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

func (c Config) streamName() string { return c.Name + "-log" }

func (s *natsStore) options() []nats.Option {
	c := s.config
	all := []nats.Option{
		nats.Name("mqtt-stomp-bridge " + c.ID),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.logger.Warn("the connection to NATS is lost", "error", err)
			}
		}),
		nats.ReconnectHandler(s.reconnected),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.logger.Warn("NATS reports an error", "error", err)
		}),
	}
	if c.Username != "" {
		all = append(all, nats.UserInfo(c.Username, c.Password))
	}
	if c.Credentials != "" {
		all = append(all, nats.UserCredentials(c.Credentials))
	}
	if c.TLS != nil {
		all = append(all, nats.Secure(c.TLS))
	}
	return all
}

func (s *natsStore) reconnected(nc *nats.Conn) {
	s.logger.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted())
	if again := s.again.Load(); again != nil {
		(*again)()
	}
}

// begin finds the stream and the bucket of the lease, or creates them, as soon as the servers can
// be reached.
func (s *natsStore) begin(ctx context.Context) error {
	js, err := jetstream.New(s.conn)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for waiting := false; ; waiting = true {
		err := s.find(ctx, js)
		var refused *refusedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			return err
		case !waiting:
			s.logger.Warn("waiting for the journal's stream", "error", err)
		}
		if ended := pause(ctx, awayPause); ended != nil {
			return fmt.Errorf("journal: waiting for the stream %q: %w", s.config.streamName(), errors.Join(ended, err))
		}
	}
}

// A refusedError is one that does not pass by itself.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

func (s *natsStore) find(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if !s.conn.IsConnected() {
		return fmt.Errorf("connecting to NATS: %w", cmp.Or(s.conn.LastError(), nats.ErrNoServers))
	}
	var err error
	want := s.config.stream()
	s.stream, err = js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return refused(err)
	}
	if wrong := differences(s.stream.CachedInfo().Config, want); len(wrong) > 0 {
		return &refusedError{fmt.Errorf("journal: the stream %q has other settings than this bridge needs: %s; "+
			"remove the stream, or give this bridge another name", want.Name, strings.Join(wrong, "; "))}
	}
	s.leases, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: s.config.Name + "-lead", History: 1, TTL: leaseTTL, Replicas: s.config.Replicas,
	})
	return refused(err)
}

// Codes of errors of JetStream's API that this package tells apart.
const (
	codeNoStorage       = 10047
	codeNoMemory        = 10028
	codeNoResources     = 10023
	codeNotForAccount   = 10039
	codeWrongSequence   = 10071
	codeNoCluster       = 10074
	codeNotEnabled      = 10076
	codeStoreFailed     = 10077
	codeWrongSequenceR3 = 10164
)

// refused marks the errors that do not pass by themselves, and says what to do.
func refused(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &api):
		return err
	case api.ErrorCode == codeNotForAccount, api.ErrorCode == codeNotEnabled:
		err = fmt.Errorf("journal: NATS: %w; add \"jetstream { ... }\" to the servers' configuration, and enable it for the account", err)
	case api.ErrorCode == codeNoCluster:
		err = fmt.Errorf("journal: NATS: %w; ask for 1 replica, or run a cluster of NATS servers", err)
	default:
		return err
	}
	return &refusedError{err}
}

// stream returns the settings of the stream.
func (c Config) stream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: c.streamName(), Subjects: []string{c.Name + ".log"},
		Description: "the journal of mqtt-stomp-bridge; written by its replicas alone",
		Storage:     jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Replicas: c.Replicas,
		MaxBytes: streamBytes(c.MaxBytes), MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		AllowDirect: true, DenyDelete: true, Duplicates: 100 * time.Millisecond, // which is the shortest
		RePublish: &jetstream.RePublish{Source: c.Name + ".log", Destination: c.Name + ".tail"},
	}
}

// streamBytes is how large a stream may become: the log, what is kept beyond it, and a good deal of
// what is needed no more.
func streamBytes(log int64) int64 { return 3*log + 64<<20 }

// differences returns in which settings a stream is not as it must be. It may be larger, and have
// more replicas.
func differences(got, want jetstream.StreamConfig) (wrong []string) {
	differ := func(setting string, got, want any, same bool) {
		if !same {
			wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", setting, got, want))
		}
	}
	differ("subjects", got.Subjects, want.Subjects, fmt.Sprint(got.Subjects) == fmt.Sprint(want.Subjects))
	differ("storage", got.Storage, want.Storage, got.Storage == want.Storage)
	differ("retention", got.Retention, want.Retention, got.Retention == want.Retention)
	differ("discard", got.Discard, want.Discard, got.Discard == want.Discard)
	differ("num_replicas", got.Replicas, fmt.Sprintf("%d or more", want.Replicas), got.Replicas >= want.Replicas)
	differ("max_bytes", got.MaxBytes, fmt.Sprintf("%d or more", want.MaxBytes), got.MaxBytes < 0 || got.MaxBytes >= want.MaxBytes)
	differ("max_age", got.MaxAge, want.MaxAge, got.MaxAge == want.MaxAge)
	for _, limit := range []struct {
		setting string
		got     int64
	}{
		{"max_msgs", got.MaxMsgs}, {"max_msgs_per_subject", got.MaxMsgsPerSubject}, {"max_msg_size", int64(got.MaxMsgSize)},
	} {
		differ(limit.setting, limit.got, "unlimited", limit.got < 0)
	}
	differ("allow_direct", got.AllowDirect, want.AllowDirect, got.AllowDirect == want.AllowDirect)
	differ("deny_delete", got.DenyDelete, want.DenyDelete, got.DenyDelete == want.DenyDelete)
	differ("deny_purge", got.DenyPurge, want.DenyPurge, got.DenyPurge == want.DenyPurge)
	differ("republish", republish(got), republish(want), republish(got) == republish(want))
	differ("mirror or sources", "set", "none", got.Mirror == nil && len(got.Sources) == 0)
	return wrong
}

func republish(c jetstream.StreamConfig) string {
	if c.RePublish == nil {
		return "none"
	}
	return c.RePublish.Source + " to " + c.RePublish.Destination
}

// append implements store. The request is JetStream's publish, which jetstream.Publish would repeat
// by itself.
func (s *natsStore) append(ctx context.Context, after uint64, data []byte) error {
	m := nats.NewMsg(s.subject)
	m.Data = data
	m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(after, 10))
	answer, err := s.conn.RequestMsgWithContext(ctx, m)
	if err != nil {
		return err
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
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, 0, err
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
	return s.stream.Purge(ctx, jetstream.WithPurgeSequence(before))
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
