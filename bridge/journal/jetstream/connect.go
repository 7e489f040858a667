package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Connections that are silent for twice the interval are given up.
const (
	pingInterval  = 2 * time.Second
	reconnectWait = 100 * time.Millisecond
	tailBytes     = 64 << 20 // that may wait to be applied; what does not fit is read later
)

// connect returns the store once its stream is found or made.
func connect(ctx context.Context, c Config) (*natsStore, error) {
	s := newNATSStore(c)
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

func newNATSStore(c Config) *natsStore {
	return &natsStore{config: c, logger: c.Logger, subject: c.Name + ".log", direct: "$JS.API.DIRECT.GET." + c.streamName(), denied: newDenials(c)}
}

func (c Config) streamName() string { return c.Name + "-log" }

func (c Config) bucketName() string { return c.Name + "-lead" }

func (s *natsStore) options() []nats.Option {
	c := s.config
	all := []nats.Option{
		nats.Name("mqtt-stomp-bridge " + c.ID),
		nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(), // a password may be renewed at the servers before it is here
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.logger.Warn("the connection to NATS is lost", "error", err)
			}
		}),
		nats.ReconnectHandler(s.reconnected),
		nats.ReconnectErrHandler(s.failed),
		nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) { s.failed(nc, err) }),
	}
	if c.Username != "" {
		all = append(all, nats.UserInfoHandler(s.user))
	}
	if c.Credentials != "" {
		all = append(all, nats.UserCredentials(c.Credentials))
	}
	if c.TLS != nil {
		all = append(all, nats.Secure(c.TLS))
	}
	if c.RootCAs != nil {
		all = append(all, nats.ClientTLSConfig(nil, c.RootCAs))
	}
	return all
}

// user returns the name and the password for a connection that is made now.
func (s *natsStore) user() (name, password string) {
	if s.config.Password == nil {
		return s.config.Username, ""
	}
	read, err := s.config.Password()
	if err != nil {
		err = fmt.Errorf("reading the password: %w", err)
		s.logger.Warn("cannot connect to NATS", "error", err)
	}
	s.noPassword.Store(&err)
	return s.config.Username, string(read)
}

// failed notes what went wrong where nobody waits for it: an attempt to connect, or a request that
// the server does not answer since the user has no right to it.
func (s *natsStore) failed(nc *nats.Conn, err error) {
	if d := s.denied.add(err); d != nil {
		if d.news {
			s.logger.Error("NATS does not let the bridge do what it must", "error", d)
		}
		return
	}
	s.last.Store(&err)
	if nc.IsConnected() {
		s.logger.Warn("NATS reports an error", "error", err)
	}
}

func (s *natsStore) reconnected(nc *nats.Conn) {
	s.denied.forget() // the user may have other rights by now
	s.logger.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted())
	if again := s.again.Load(); again != nil {
		(*again)()
	}
}

// absence returns why there is no connection; nil where there is one.
func (s *natsStore) absence() error {
	if s.conn.IsConnected() {
		return nil
	}
	err := errors.Join(load(&s.noPassword), cmp.Or(s.conn.LastError(), load(&s.last), nats.ErrNoServers))
	err = fmt.Errorf("connecting to NATS: %w", err)
	if unauthorized(err) {
		err = fmt.Errorf("%w; see journal.nats.username and password_file, or credentials_file", err)
	}
	return err
}

// unauthorized reports whether the servers do not let the user in.
func unauthorized(err error) bool {
	if errors.Is(err, nats.ErrAuthorization) {
		return true
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "authentication expired") || strings.Contains(text, "authentication revoked")
}

// Versions of nats-server: the least that has all that is used, and the least that keeps what it
// has acknowledged.
var (
	leastVersion  = []int{2, 9, 0}
	wantedVersion = []int{2, 12, 3}
)

// checkVersion refuses a server that is too old, and returns a warning of one that should be newer.
func checkVersion(version string) (warning string, err error) {
	numbers, ok := parseVersion(version)
	switch {
	case !ok:
		return fmt.Sprintf("NATS: what version is %q? nats-server 2.12.3 or later is needed", version), nil
	case slices.Compare(numbers, leastVersion) < 0:
		return "", &refusedError{fmt.Errorf("journal: nats-server %s is too old: 2.12.3 or later is needed", version)}
	case slices.Compare(numbers, wantedVersion) < 0:
		return fmt.Sprintf("nats-server %s may lose what it has acknowledged: use 2.12.3 or later, which has corrections of how a cluster takes "+
			"servers in and out (2.12.3), and syncs its Raft log too with sync_interval: always (2.10.23)", version), nil
	}
	return "", nil
}

// parseVersion returns the numbers of a version such as 2.12.3 or 2.12.3-RC.1.
func parseVersion(text string) (numbers []int, ok bool) {
	text, _, _ = strings.Cut(text, "-")
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, n)
	}
	return numbers, len(numbers) == 3
}
