package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"mqtt-stomp-bridge/bridge/journal"
)

// An Inspection is what can be seen of a log, its servers and its replicas without changing anything.
// What could not be seen has an error beside it.
type Inspection struct {
	Server, Version, Cluster string // of the server that answered; Cluster "": it is alone
	MaxPayload               int64  // bytes of a message

	// StorageLeft is how many bytes the account may still store, on all servers together; negative:
	// as many as they have.
	StorageLeft int64
	StorageErr  error

	Stream    *StreamView // nil: there is none yet
	StreamErr error

	Leader    string // ID of the replica that has the lease; "": none
	Since     time.Time
	LeaderErr error

	Replicas []journal.Replica // that have answered, by ID
}

// A StreamView is how a log's stream stands.
type StreamView struct {
	Name        string
	Differences []string // from the settings that a log needs; none: it can be used
	Replicas    int      // that it shall have, one on each server
	Leader      string   // server; "" for none, or for a server that is alone
	Followers   []Follower
	Bytes       int64
	MaxBytes    int64 // negative: no limit
	Messages    uint64
	Needs       int64 // bytes that it may come to need
}

// A Follower is a server that has the stream and does not lead it.
type Follower struct {
	Server  string
	Current bool // it has all there is
	Offline bool
	Lag     uint64        // messages that it does not have yet
	Heard   time.Duration // so long ago the leader has heard of it
}

// Inspect looks at the log through the first server of the Config. The error says why that does not
// let it in.
func Inspect(ctx context.Context, c Config) (*Inspection, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := newNATSStore(c)
	options := append(s.options(), nats.RetryOnFailedConnect(false), nats.NoReconnect(), nats.Timeout(askTimeout),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.denied.add(err) }))
	if s.conn, err = nats.Connect(c.URLs[0], options...); err != nil {
		return nil, err
	}
	defer s.conn.Close()
	js, err := jetstream.New(s.conn)
	if err != nil {
		return nil, err
	}
	v := &Inspection{
		Server: s.conn.ConnectedServerName(), Version: s.conn.ConnectedServerVersion(), Cluster: s.conn.ConnectedClusterName(),
		MaxPayload: s.conn.MaxPayload(),
	}
	began := time.Now()
	v.StorageLeft, v.StorageErr = storageLeft(ctx, js)
	v.StorageErr = s.denied.explain(began, v.StorageErr)
	began = time.Now()
	v.Stream, v.StreamErr = viewStream(ctx, js, c)
	v.StreamErr = s.denied.explain(began, v.StreamErr)
	began = time.Now()
	v.Leader, v.Since, v.LeaderErr = viewLeader(ctx, js, c)
	v.LeaderErr = s.denied.explain(began, v.LeaderErr)
	v.Replicas = askReplicas(ctx, s.conn, c)
	return v, nil
}

func storageLeft(ctx context.Context, js jetstream.JetStream) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a, err := js.AccountInfo(ctx)
	switch {
	case err != nil:
		return 0, refused(err)
	case a.Limits.MaxStore < 0:
		return -1, nil
	}
	return max(0, a.Limits.MaxStore-int64(a.Store)), nil
}

func viewStream(ctx context.Context, js jetstream.JetStream, c Config) (*StreamView, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	want := c.stream()
	s, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil
	case err != nil:
		return nil, refused(err)
	}
	info := s.CachedInfo()
	v := &StreamView{
		Name: want.Name, Differences: differences(info.Config, want), Replicas: info.Config.Replicas,
		Bytes: int64(info.State.Bytes), MaxBytes: info.Config.MaxBytes, Messages: info.State.Msgs, Needs: want.MaxBytes,
	}
	if info.Cluster == nil {
		return v, nil
	}
	v.Leader = info.Cluster.Leader
	for _, p := range info.Cluster.Replicas {
		v.Followers = append(v.Followers, Follower{Server: p.Name, Current: p.Current, Offline: p.Offline, Lag: p.Lag, Heard: p.Active})
	}
	return v, nil
}

func viewLeader(ctx context.Context, js jetstream.JetStream, c Config) (id string, since time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	leases, err := js.KeyValue(ctx, c.Name+"-lead")
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, err
	}
	entry, err := leases.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, err
	}
	var h holder
	if err := json.Unmarshal(entry.Value(), &h); err != nil {
		return "", time.Time{}, fmt.Errorf("the key %q: %w", leaseKey, err)
	}
	return h.ID, h.Since, nil
}

// askReplicas returns who answers.
func askReplicas(ctx context.Context, conn *nats.Conn, c Config) (all []journal.Replica) {
	answers, err := conn.SubscribeSync(conn.NewInbox())
	if err != nil {
		return nil
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := conn.PublishRequest(c.Name+".replicas", answers.Subject, nil); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for ctx.Err() == nil {
		m, err := answers.NextMsg(pingTimeout)
		if err != nil || m.Header.Get("Status") == statusNobody {
			break
		}
		var r journal.Replica
		if json.Unmarshal(m.Data, &r) == nil {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b journal.Replica) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), a.Began.Compare(b.Began))
	})
	return all
}
