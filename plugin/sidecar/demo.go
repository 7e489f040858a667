package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/service"
)

// demoCommand runs the bridge between a broker of its own and a page that shows the queues.
func (p *program) demoCommand() *cobra.Command {
	var listen, mqttListen string
	var verbose bool
	c := p.command(description{
		name: "demo", group: groupBridge,
		about: "run the bridge with its own broker, sample events and a web page",
	}, func(ctx context.Context) error {
		err := p.demo(ctx, listen, mqttListen, verbose)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w; --listen and --mqtt take other addresses", err)
		}
		return err
	})
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8080", "the `address` of the page and the WebSocket endpoint; port 0 picks a free one")
	f.StringVar(&mqttListen, "mqtt", "127.0.0.1:1884", "the `address` of the demo's broker")
	f.BoolVarP(&verbose, "verbose", "v", false, "log at level info")
	return c
}

func (p *program) demo(ctx context.Context, listen, mqttListen string, verbose bool) error {
	l, err := net.Listen("tcp", mqttListen)
	if err != nil {
		return fmt.Errorf("--mqtt: %w", err)
	}
	level := "warn"
	if verbose {
		level = "info"
	}
	c, err := demoConfig(listen, l.Addr(), level)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	logger := p.logger(c, &slog.LevelVar{})
	broker, err := demo.StartBroker(l, logger)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer broker.Close()
	token, err := service.SignToken(c, auth.Grant{User: "visitor", TTL: 24 * time.Hour})
	if err != nil {
		return err
	}
	example := p.demoExample(broker.Addr())
	page := demo.Page(demo.PageConfig{Endpoint: c.Server.Path, Token: token, Publish: example})
	s, err := service.New(ctx, c, service.Options{Logger: logger, Pages: page, Build: thisBuild()})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, `The demo is running; Ctrl-C ends it.

  page       http://%[1]s/
  endpoint   ws://%[1]s%[2]s
  broker     mqtt://%[3]s
  token      %[4]s

Make something happen on the page:

  %[5]s

`, s.Addr(), c.Server.Path, broker.Addr(), token, example)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan error, 1)
	go func() {
		told <- demo.Story(ctx, broker.Publish)
		cancel()
	}()
	err = s.Run(ctx)
	cancel()
	return errors.Join(err, <-told)
}

// demoExample returns the line that makes something happen: with mosquitto_pub, which is what
// people know, or this program's own pub where that is not installed.
func (p *program) demoExample(broker net.Addr) string {
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		return demo.OwnExample(p.self(), broker)
	}
	return demo.Example(broker)
}

// demoConfig loads the demo's rules as any configuration is loaded, with settings from variables
// and a secret that lasts as long as the process.
func demoConfig(listen string, broker net.Addr, level string) (*config.Config, error) {
	dir, err := os.MkdirTemp("", "mqtt-stomp-bridge-demo")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "demo.yaml")
	text := append(demo.Config(), "\nops: {listen: ''}\n"...) // an empty variable would count as none
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	c, problems := config.Load(path, []string{
		"BRIDGE_LOG_LEVEL=" + level,
		"BRIDGE_BROKER_URL=mqtt://" + broker.String(),
		"BRIDGE_SERVER_LISTEN=" + listen,
		"BRIDGE_AUTH_JWT_SECRET=" + rand.Text() + rand.Text(),
	})
	for _, problem := range problems {
		err = errors.Join(err, problem)
	}
	return c, err
}
