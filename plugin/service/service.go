// Package service runs a bridge as a configuration describes it: with its listeners, its journal,
// who may connect, the ops endpoint, and reloads.
package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/console"
	"mqtt-stomp-bridge/plugin/operators"
	"mqtt-stomp-bridge/plugin/ops"
	"mqtt-stomp-bridge/plugin/workbench"
)

// Options are what a Service needs beside its configuration.
type Options struct {
	Logger *slog.Logger // required
	// Pages makes what serves all paths but the endpoint's; nil: nothing does.
	Pages  func(*bridge.Bridge) http.Handler
	Build  ops.Build         // of the program; its version is for clients and logs too
	Reload *Reload           // nil: the configuration stays as it is
	Rules  *workbench.Source // the configuration, whose rules can be edited and tried in the console; nil: they cannot
	// Publish publishes an event that the console sends. Where it is set, the console is beside Pages
	// as well, and whoever reaches those may use it: for a demo. nil: nothing can be sent.
	Publish func(topic string, payload []byte) error
}

// A Service is a bridge with its listeners, made from a configuration. New is the only way to make
// one.
type Service struct {
	config      *config.Config // at start
	options     Options
	logger      *slog.Logger
	bridge      *bridge.Bridge
	clients     net.Listener
	ops         net.Listener // nil: none
	operators   *operators.Guard
	certificate *certificate // nil: no TLS
	tls         *tls.Config  // nil: no TLS
	auth        *authentication
	withdrawn   chan struct{} // holds one when sessions are to be rechecked; never closed
	reloads     reloadCounts
	payloads    atomic.Bool // ops.show_payloads
	standing    atomic.Pointer[console.Standing]
	replicaHash atomic.Pointer[string]        // of the configuration in force
	running     atomic.Pointer[bridge.Bridge] // bridge, for those who may ask before there is one
}

// New opens the listeners and the journal and connects the parts. The caller must call Run. ctx
// ends a long opening of the journal.
func New(ctx context.Context, c *config.Config, o Options) (*Service, error) {
	s := &Service{config: c, options: o, logger: o.Logger, withdrawn: make(chan struct{}, 1)}
	s.payloads.Store(c.Ops.ShowPayloads)
	s.replicaHash.Store(&c.ReplicaHash)
	s.stands(c)
	if err := s.open(ctx); err != nil {
		s.closeListeners()
		s.auth.close()
		return nil, err
	}
	return s, nil
}

// Addr returns where clients connect.
func (s *Service) Addr() net.Addr { return s.clients.Addr() }

// Bridge returns what runs, for whoever shows it.
func (s *Service) Bridge() *bridge.Bridge { return s.bridge }

// OpsAddr returns where the ops endpoint is; nil where there is none.
func (s *Service) OpsAddr() net.Addr {
	if s.ops == nil {
		return nil
	}
	return s.ops.Addr()
}

func (s *Service) open(ctx context.Context) error {
	c := s.config
	s.auth = newAuthentication(s.logger, s.withdrawn)
	mqttConfig, err := MQTT(c)
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
	s.operators = operators.New(operators.Options{Loopback: s.loopback(), Logger: s.logger})
	s.operators.Use(s.auth.operatorPolicy(c))
	log, err := s.openJournal(ctx)
	if err != nil {
		return err
	}
	pages, complete := s.pages()
	s.bridge, err = bridge.New(bridge.Config{
		MQTT: mqttConfig,
		Log:  log,
		Server: server.Config{
			Policy:         first,
			TrustedProxies: c.Server.TrustedProxies,
			ProxyProtocol:  c.Server.ProxyProtocol,
			TLS:            s.tls,
			Path:           c.Server.Path,
			HeartBeat:      c.Server.Heartbeat,
			Limits:         serverLimits(c.Server.Limits),
			Version:        s.options.Build.Version,
			Pages:          pages,
		},
		Listener:   s.clients,
		TrailBytes: s.trailBytes(),
		Mapper:     c.Mapper,
		RulesHash:  c.RulesHash,
		ConfigHash: c.Hash,
		BaseTopic:  c.Broker.BaseTopic,
		Logger:     s.logger,
	})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	s.running.Store(s.bridge)
	complete()
	return nil
}

// trailBytes returns the memory for what is explained: none where nobody can ask.
func (s *Service) trailBytes() int {
	if s.config.Ops.Listen == "" && s.options.Publish == nil {
		return 0
	}
	return int(s.config.Ops.Trail)
}

// listen opens the two listeners.
func (s *Service) listen() (err error) {
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
		s.tls = t
	}
	if c.Ops.Listen == "" {
		return nil
	}
	if s.ops, err = net.Listen("tcp", c.Ops.Listen); err != nil {
		return fmt.Errorf("ops.listen: %w", err)
	}
	return nil
}

func (s *Service) closeListeners() {
	for _, l := range []net.Listener{s.clients, s.ops} {
		if l != nil {
			l.Close()
		}
	}
}

// Run serves clients until ctx is done or the bridge fails. When it returns, everything is closed.
// It may be called once.
func (s *Service) Run(ctx context.Context) error {
	s.logger.Info("starting", "version", s.options.Build.Version, "config", s.config.Hash, "rules", len(s.config.Mapper.Rules()),
		"listen", s.clients.Addr().String(), "path", s.config.Server.Path, "tls", s.certificate != nil)
	defer s.auth.close()
	running, cancel := context.WithCancel(ctx) // the bridge may end by itself
	var beside sync.WaitGroup
	if s.options.Reload != nil {
		r := &reloader{Reload: *s.options.Reload, service: s, current: s.config}
		beside.Go(func() { r.run(running) })
	}
	beside.Go(func() {
		collectAfterRush(running, func() int64 { return s.bridge.Counts().Server.Opened }, debug.FreeOSMemory)
	})
	beside.Go(func() { s.recheck(running) })
	closeOps := s.serveOps()
	err := s.bridge.Run(ctx)
	closeOps()
	cancel()
	beside.Wait()
	s.logger.Info("stopped")
	return err
}

// recheck ends the sessions that withdrawn keys have let in, until ctx is done.
func (s *Service) recheck(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.withdrawn:
			s.bridge.RecheckAuth()
			s.operators.Recheck()
		}
	}
}

func serverLimits(l config.Limits) server.Limits {
	return server.Limits{
		Sessions:             l.Sessions,
		SessionsPerUser:      l.SessionsPerUser,
		SessionsPerAddress:   l.SessionsPerAddress,
		EndOldest:            l.OnLimit == "end_oldest",
		Connects:             l.ConnectsPerSecond,
		Message:              int(l.Message),
		OutgoingBytes:        int(l.OutgoingBytes),
		UnreadBytes:          int(l.UnreadBytes),
		Subscriptions:        l.Subscriptions,
		ConnectTimeout:       l.HandshakeTimeout,
		WriteTimeout:         l.WriteTimeout,
		UnauthenticatedBytes: int(l.UnauthenticatedBytes),
		Frame:                stomp.Limits{Line: int(l.HeaderLine), Headers: l.Headers, Body: int(l.Body)},
	}
}
