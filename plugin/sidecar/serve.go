package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// serve runs the bridge until a signal ends it.
func (p *program) serve(ctx context.Context, args []string) int {
	f := p.flags("serve", "[-c config.yaml]")
	path := configFlag(f)
	if code, done := parse(f, args); done {
		return code
	}
	hangup := make(chan os.Signal, 1) // also during the start, when it would end the process otherwise
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	r := &reloader{
		load:   func() (*config.Config, []source.Problem) { return config.Load(*path, p.environ) },
		names:  []string{*path},
		hangup: hangup,
	}
	c, problems := r.read()
	printProblems(p.stderr, problems)
	if c == nil {
		return exitFailure
	}
	if err := c.CanServe(); err != nil {
		return p.fail(err)
	}
	level := &slog.LevelVar{}
	s, err := newSidecar(ctx, c, p.logger(c, level), nil)
	if err != nil {
		return p.fail(err)
	}
	s.level = level
	r.sidecar, r.current, r.show = s, c, p.showProblems(s)
	running, cancel := context.WithCancel(ctx) // the sidecar may end by itself
	var reloading sync.WaitGroup
	reloading.Go(func() { r.run(running) })
	err = s.run(ctx)
	cancel()
	reloading.Wait()
	s.auth.close()
	if err != nil {
		return p.fail(err)
	}
	return exitOK
}

// logger returns the configured logger, whose level can be changed after.
func (p *program) logger(c *config.Config, level *slog.LevelVar) *slog.Logger {
	level.Set(c.Log.Level)
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		o.ReplaceAttr = durationText
		return slog.New(slog.NewJSONHandler(p.stderr, o))
	}
	return slog.New(slog.NewTextHandler(p.stderr, o))
}

// durationText gives a JSON log durations as a text log has them: 1.5s, where slog writes a number of nanoseconds.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// A sidecar is a bridge with its listeners, made from a configuration.
type sidecar struct {
	config      *config.Config // at start
	logger      *slog.Logger
	level       *slog.LevelVar
	pages       http.Handler
	bridge      *bridge.Bridge
	clients     net.Listener
	ops         net.Listener // nil: none
	certificate *certificate // nil: no TLS
	auth        *authentication
	withdrawn   chan struct{} // holds one when sessions are to be rechecked; never closed
	reloads     reloadCounts
}

// newSidecar opens the listeners and the journal and connects the parts; the caller must run it. pages serves what is not the
// endpoint; it may be nil.
func newSidecar(ctx context.Context, c *config.Config, logger *slog.Logger, pages http.Handler) (*sidecar, error) {
	s := &sidecar{config: c, logger: logger, pages: pages, withdrawn: make(chan struct{}, 1)}
	if err := s.open(ctx); err != nil {
		s.closeListeners()
		s.auth.close()
		return nil, err
	}
	return s, nil
}

func (s *sidecar) open(ctx context.Context) error {
	c := s.config
	s.auth = &authentication{logger: s.logger, withdrawn: s.withdrawn}
	mqttConfig, err := mqttConfig(c)
	if err != nil {
		return err
	}
	s.auth.broker = mqttConfig
	authenticator, adopt, err := s.auth.prepare(c)
	if err != nil {
		return err
	}
	adopt()
	first, err := policy(c, authenticator)
	if err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	log, err := openJournal(ctx, c, s.logger)
	if err != nil {
		return err
	}
	s.bridge, err = bridge.New(bridge.Config{
		MQTT: mqttConfig,
		Log:  log,
		Server: server.Config{
			Policy:         first,
			TrustedProxies: c.Server.TrustedProxies,
			Path:           c.Server.Path,
			HeartBeat:      c.Server.Heartbeat,
			Limits:         serverLimits(c.Server.Limits),
			Version:        buildVersion(),
			Pages:          s.pages,
		},
		Listener:   s.clients,
		Mapper:     c.Mapper,
		ConfigHash: c.Hash,
		BaseTopic:  c.Broker.BaseTopic,
		Logger:     s.logger,
	})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	return nil
}

// listen opens the two listeners.
func (s *sidecar) listen() (err error) {
	c := s.config
	if s.clients, err = net.Listen("tcp", c.Server.Listen); err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	if c.Server.CertFile != "" {
		if s.certificate, err = newCertificate(c.Server.CertFile, c.Server.KeyFile); err != nil {
			return fmt.Errorf("server.cert_file: %w", err)
		}
		t := &tls.Config{GetCertificate: s.certificate.get, NextProtos: []string{"http/1.1"}}
		if c.Server.ClientCAFile != "" {
			t.ClientAuth = tls.RequireAndVerifyClientCert
			if t.ClientCAs, err = config.ReadCertificates(c.Server.ClientCAFile); err != nil {
				return fmt.Errorf("server.client_ca_file: %w", err)
			}
		}
		s.clients = tls.NewListener(s.clients, t)
	}
	if c.Ops.Listen == "" {
		return nil
	}
	if s.ops, err = net.Listen("tcp", c.Ops.Listen); err != nil {
		return fmt.Errorf("ops.listen: %w", err)
	}
	return nil
}

func (s *sidecar) closeListeners() {
	for _, l := range []net.Listener{s.clients, s.ops} {
		if l != nil {
			l.Close()
		}
	}
}

// run runs the bridge and the ops endpoint until ctx is done.
func (s *sidecar) run(ctx context.Context) error {
	s.logger.Info("starting", "version", buildVersion(), "config", s.config.Hash, "rules", len(s.config.Mapper.Rules()),
		"listen", s.clients.Addr().String(), "path", s.config.Server.Path, "tls", s.certificate != nil)
	if s.ops != nil {
		web := &http.Server{Handler: ops.Handler(s.bridge, s.reloads.figures), ReadHeaderTimeout: 5 * time.Second}
		done := make(chan struct{})
		go func() {
			defer close(done)
			web.Serve(s.ops)
		}()
		defer func() {
			web.Close()
			<-done
		}()
	}
	running, cancel := context.WithCancel(ctx) // the bridge may end by itself
	var beside sync.WaitGroup
	beside.Go(func() {
		collectAfterRush(running, func() int64 { return s.bridge.Counts().Server.Opened }, debug.FreeOSMemory)
	})
	beside.Go(func() { s.recheck(running) })
	err := s.bridge.Run(ctx)
	cancel()
	beside.Wait()
	s.logger.Info("stopped")
	return err
}

// recheck ends the sessions that withdrawn keys have let in, until ctx is done.
func (s *sidecar) recheck(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.withdrawn:
			s.bridge.RecheckAuth()
		}
	}
}

func serverLimits(l config.Limits) server.Limits {
	return server.Limits{
		Sessions:             l.Sessions,
		SessionsPerUser:      l.SessionsPerUser,
		SessionsPerAddress:   l.SessionsPerAddress,
		Connects:             l.ConnectsPerSecond,
		OutgoingBytes:        int(l.OutgoingBytes),
		Subscriptions:        l.Subscriptions,
		ConnectTimeout:       l.HandshakeTimeout,
		WriteTimeout:         l.WriteTimeout,
		UnauthenticatedBytes: int(l.UnauthenticatedBytes),
		Frame:                stomp.Limits{Line: int(l.HeaderLine), Headers: l.Headers, Body: int(l.Body)},
	}
}

// openJournal returns the durable log where a directory is configured, otherwise one in memory.
func openJournal(ctx context.Context, c *config.Config, logger *slog.Logger) (journal.Log, error) {
	latest := journal.LatestOptions{MaxKeys: c.Journal.Latest.MaxKeys, MaxAge: c.Journal.Latest.MaxAge}
	if c.Journal.Dir == "" {
		logger.Info("journal: in memory, so a restart forgets it; journal.dir names a directory to keep it in")
		return journal.NewMemory(journal.MemoryOptions{MaxAge: c.Journal.MaxAge, MaxBytes: int64(c.Journal.MaxBytes), Latest: latest}), nil
	}
	log, err := disk.Open(ctx, disk.Options{Dir: c.Journal.Dir, MaxAge: c.Journal.MaxAge, MaxBytes: int64(c.Journal.MaxBytes),
		Latest: latest, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("journal.dir: %w", err)
	}
	return log, nil
}

func mqttConfig(c *config.Config) (mqtt.Config, error) {
	b := c.Broker
	m := mqtt.Config{
		URLs:          b.URL,
		ClientID:      b.ClientID,
		Username:      b.Username,
		Password:      brokerPassword(b),
		KeepAlive:     b.Keepalive,
		SessionExpiry: b.SessionExpiry,
	}
	var err error
	m.TLS, err = brokerTLS(b)
	return m, err
}

// brokerPassword returns the password, read again for each connection when it is in a file.
func brokerPassword(b config.Broker) func() ([]byte, error) {
	switch {
	case b.PasswordFile != "":
		return func() ([]byte, error) { return config.ReadSecretFile(b.PasswordFile) }
	case b.Password != "":
		return func() ([]byte, error) { return []byte(b.Password), nil }
	}
	return nil
}

func brokerTLS(b config.Broker) (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: b.Insecure} // insecure: the user asks for it by name
	if b.CAFile != "" {
		var err error
		if t.RootCAs, err = config.ReadCertificates(b.CAFile); err != nil {
			return nil, fmt.Errorf("broker.ca_file: %w", err)
		}
	}
	if b.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile); err != nil {
			return nil, fmt.Errorf("broker.cert_file: %w", err)
		}
		// Read again for each connection, as the password is: it may have been renewed.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(b.CertFile, b.KeyFile)
			return &pair, err
		}
	}
	return t, nil
}
