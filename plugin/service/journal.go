package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/plugin/config"
)

// openJournal returns the log that is configured: shared by replicas, on disk, or in memory.
func (s *Service) openJournal(ctx context.Context) (journal.Log, error) {
	c, logger, j := s.config, s.logger, s.config.Journal
	latest := journal.LatestOptions{MaxKeys: j.Latest.MaxKeys, MaxAge: j.Latest.MaxAge}
	switch {
	case j.Shared():
		log, err := s.openShared(ctx, latest)
		if err != nil {
			return nil, fmt.Errorf("journal.nats: %w", err)
		}
		return log, nil
	case j.Dir != "":
		log, err := disk.Open(ctx, disk.Options{Dir: j.Dir, MaxAge: j.MaxAge, MaxBytes: int64(j.MaxBytes), Latest: latest, Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("journal.dir: %w", err)
		}
		return log, nil
	}
	logger.Info("the journal is in memory and ends with the process; set journal.dir to keep it")
	warnOfLoss(nil, c, logger)
	return journal.NewMemory(journal.MemoryOptions{MaxAge: j.MaxAge, MaxBytes: int64(j.MaxBytes), Latest: latest}), nil
}

func (s *Service) openShared(ctx context.Context, latest journal.LatestOptions) (journal.Log, error) {
	c := s.config
	n, err := NATS(c)
	if err != nil {
		return nil, err
	}
	n.Options = jetstream.Options{MaxAge: c.Journal.MaxAge, MaxBytes: int64(c.Journal.MaxBytes), Latest: latest, Logger: s.logger}
	n.Tell = s.tell
	s.logger.Info("opening the journal", "nats", n.URLs, "name", n.Name)
	return jetstream.Open(ctx, n)
}

// tell is what this replica tells the others.
func (s *Service) tell() journal.Replica {
	r := journal.Replica{Version: s.options.Build.Version, Config: *s.replicaHash.Load(), ClientID: s.config.Broker.ClientID, BaseTopic: s.config.Broker.BaseTopic}
	if b := s.running.Load(); b != nil {
		r.Sessions = b.Clients()
	}
	return r
}

// NATS returns how the configuration connects to the NATS servers.
func NATS(c *config.Config) (jetstream.Config, error) {
	n := c.Journal.NATS
	j := jetstream.Config{
		URLs:        urls(n.URL),
		Name:        n.Name,
		Replicas:    n.Replicas,
		ID:          n.ID,
		Username:    n.Username,
		Credentials: n.CredentialsFile,
	}
	if n.PasswordFile != "" {
		j.Password = readSecret("", n.PasswordFile)
		if _, err := j.Password(); err != nil {
			return j, fmt.Errorf("password_file: %w", err)
		}
	}
	if n.CAFile != "" {
		j.RootCAs = func() (*x509.CertPool, error) { return config.ReadCertificates(n.CAFile) }
		if _, err := j.RootCAs(); err != nil {
			return j, fmt.Errorf("ca_file: %w", err)
		}
	}
	var err error
	j.TLS, err = natsTLS(n)
	return j, err
}

func urls(all []*url.URL) (texts []string) {
	for _, u := range all {
		texts = append(texts, u.String())
	}
	return texts
}

// natsTLS returns nil where nothing is configured of TLS but the CA: then it is used as the URL, or
// the server, asks for it.
func natsTLS(n config.NATS) (*tls.Config, error) {
	if n.CertFile == "" && n.ServerName == "" {
		return nil, nil
	}
	t := &tls.Config{ServerName: n.ServerName}
	if n.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(n.CertFile, n.KeyFile); err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(n.CertFile, n.KeyFile) // it may have been renewed
			return &pair, err
		}
	}
	return t, nil
}

// warnOfLoss says that memory ends with the process where rules begin to remember. before is the
// configuration before, nil at the start.
func warnOfLoss(before, c *config.Config, logger *slog.Logger) {
	if len(c.Mapper.Memories()) > 0 && (before == nil || len(before.Mapper.Memories()) == 0) {
		logger.Warn("what the rules remember is lost when the process ends; set journal.dir to keep it")
	}
}
