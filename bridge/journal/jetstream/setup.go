package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// begin finds the stream and the bucket of the lease, or creates them, as soon as the servers can
// be reached.
func (s *natsStore) begin(ctx context.Context) error {
	js, err := jetstream.New(s.conn, jetstream.WithDefaultTimeout(askTimeout))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	said, at := "", time.Time{}
	for {
		err := s.attempt(ctx, js)
		var refused *refusedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			return err
		case err.Error() != said && time.Since(at) > sayEvery: // of several servers each has its own error
			s.logger.Warn("waiting for the journal's stream", "error", err)
			said, at = err.Error(), time.Now()
		}
		if ended := pause(ctx, awayPause); ended != nil {
			return fmt.Errorf("journal: waiting for the stream %q: %w", s.config.streamName(), errors.Join(ended, err))
		}
	}
}

// sayEvery is the time between two words about what is waited for.
const sayEvery = 10 * time.Second

// A refusedError is one that does not pass by itself.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

func (s *natsStore) attempt(ctx context.Context, js jetstream.JetStream) error {
	if err := s.absence(); err != nil {
		if unauthorized(err) {
			err = &refusedError{fmt.Errorf("journal: %w", err)}
		}
		return err
	}
	warning, err := checkVersion(s.conn.ConnectedServerVersion())
	if err != nil {
		return err
	}
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx) // each request has a time of its own: far servers need it for each
	defer cancel()
	s.denied.ends(cancel)
	err = s.find(ctx, js)
	s.denied.ends(nil)
	if err != nil {
		return s.refused(s.explain(began, err))
	}
	if err := s.checkRights(ctx); err != nil {
		return err
	}
	if warning != "" {
		s.logger.Warn(warning)
	}
	return nil
}

func (s *natsStore) find(ctx context.Context, js jetstream.JetStream) error {
	var err error
	want := s.config.stream()
	s.stream, err = js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return err
	}
	if wrong := differences(s.stream.CachedInfo().Config, want); len(wrong) > 0 {
		return &refusedError{fmt.Errorf("journal: the stream %q has other settings than this bridge needs: %s; "+
			"remove the stream, or give this bridge another name", want.Name, strings.Join(wrong, "; "))}
	}
	return s.findLeases(ctx, js)
}

// findLeases finds the bucket of the lease, or creates it.
func (s *natsStore) findLeases(ctx context.Context, js jetstream.JetStream) error {
	want := jetstream.KeyValueConfig{Bucket: s.config.bucketName(), History: 1, TTL: leaseTTL, Replicas: s.config.Replicas}
	var err error
	s.leases, err = js.KeyValue(ctx, want.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		s.leases, err = js.CreateKeyValue(ctx, want)
	}
	if err != nil {
		return err
	}
	status, err := s.leases.Status(ctx)
	if err != nil {
		return err
	}
	if ttl, replicas := status.TTL(), status.Config().Replicas; ttl != leaseTTL || replicas < want.Replicas {
		return &refusedError{fmt.Errorf("journal: the bucket %q has a TTL of %v and %d replicas, and needs %v and %d; "+
			"stop all bridges and remove it", want.Bucket, ttl, replicas, leaseTTL, want.Replicas)}
	}
	return nil
}

// Codes of errors of JetStream's API that this package tells apart.
const (
	codeNoResourcesLeft = 10002
	codeNoPeers         = 10005
	codeNoResources     = 10023
	codeNoMemory        = 10028
	codeNotForAccount   = 10039
	codeNoStorage       = 10047
	codeWrongSequence   = 10071
	codeNoCluster       = 10074
	codeNotEnabled      = 10076
	codeStoreFailed     = 10077
	codeTooLarge        = 10122
	codeWrongSequenceR3 = 10164
)

// refused marks the errors that do not pass by themselves, and says what to do.
func refused(err error) error { return refusedOf(err, 0) }

func (s *natsStore) refused(err error) error { return refusedOf(err, s.config.stream().MaxBytes) }

func refusedOf(err error, needs int64) error {
	var api *jetstream.APIError
	var denied *deniedError
	room := func() error {
		return fmt.Errorf("journal: NATS: %w; the stream needs room for %d bytes on each server that has it: raise max_file_store there, "+
			"and the account's limits, or lower journal.max_bytes", err, needs)
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &denied):
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w; is JetStream enabled? Add \"jetstream { ... }\" to the servers' configuration", err)
	case !errors.As(err, &api):
		return err
	case api.ErrorCode == codeNotForAccount, api.ErrorCode == codeNotEnabled:
		err = fmt.Errorf("journal: NATS: %w; add \"jetstream { ... }\" to the servers' configuration, and enable it for the account", err)
	case api.ErrorCode == codeNoCluster:
		err = fmt.Errorf("journal: NATS: %w; ask for 1 replica, or run a cluster of NATS servers", err)
	case api.ErrorCode == codeNoStorage, api.ErrorCode == codeNoResourcesLeft, api.ErrorCode == codeTooLarge:
		err = room()
	case api.ErrorCode == codeNoPeers && strings.Contains(api.Description, "insufficient storage"):
		return room() // servers that are away may have it
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
