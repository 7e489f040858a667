package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/service"
	"mqtt-stomp-bridge/plugin/workbench"
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
	dir, err := os.MkdirTemp("", "mqtt-stomp-bridge-demo")
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer os.RemoveAll(dir)
	level := "warn"
	if verbose {
		level = "info"
	}
	files, c, err := demoConfig(dir, listen, l.Addr(), level)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	levels := &slog.LevelVar{}
	logger := p.logger(c, levels)
	broker, err := demo.StartBroker(l, logger)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer broker.Close()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	// Each run has a user of its own: what a browser has kept of another run does not belong to it.
	user := "visitor-" + strings.ToLower(rand.Text()[:4])
	newToken := func() (string, error) { return service.SignToken(c, auth.Grant{User: user, TTL: demoTokenLife}) }
	token, err := newToken()
	if err != nil {
		return err
	}
	opened := make(chan struct{})
	page := demo.PageConfig{
		Token: newToken, Publish: broker.Publish, Opened: sync.OnceFunc(func() { close(opened) }),
		Rules: files.rules.Path, Broker: "mqtt://" + broker.Addr().String(), Example: p.demoExample(broker.Addr()),
	}
	s, err := service.New(ctx, c, service.Options{
		Logger: logger, Build: thisBuild(), Publish: broker.Publish, Rules: &files.rules,
		Pages:  func(b *bridge.Bridge) http.Handler { return demo.Page(b, page) },
		Reload: &service.Reload{Files: files.Files, Hangup: hangup, Level: levels, Show: p.showReload(p.problemShower(c.Log.Format, logger))},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, `The demo is running; Ctrl-C ends it.

  page       http://%[1]s/
  endpoint   ws://%[1]s%[2]s
  broker     %[3]s
  rules      %[4]s   edit it: the demo reloads
  token      %[5]s

Make something happen on the page:

  %[6]s

`, s.Addr(), c.Server.Path, page.Broker, page.Rules, token, page.Example)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := make(chan error, 1)
	go func() {
		told <- tell(ctx, s.Bridge().Clients, opened, broker.Publish)
		cancel()
	}()
	err = s.Run(ctx)
	cancel()
	return errors.Join(err, <-told)
}

// showReload says also when there is nothing wrong with the rules that were read.
func (p *program) showReload(show func([]source.Problem)) func([]source.Problem) {
	return func(problems []source.Problem) {
		show(problems)
		if !slices.ContainsFunc(problems, func(problem source.Problem) bool { return !problem.Warning }) {
			fmt.Fprintln(p.stdout, "The rules were read again; nothing is wrong with them.")
		}
	}
}

const (
	demoTokenLife = 24 * time.Hour
	firstLook     = 100 * time.Millisecond // between two looks for the first client
)

// tell begins the story when somebody is there to see it: the page is open, or another client is
// connected.
func tell(ctx context.Context, clients func() int, opened <-chan struct{}, publish func(string, []byte) error) error {
	look := time.NewTicker(firstLook)
	defer look.Stop()
	for clients() == 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-opened:
			return demo.Story(ctx, publish)
		case <-look.C:
		}
	}
	return demo.Story(ctx, publish)
}

// demoExample returns the line that makes something happen: with mosquitto_pub, which is what
// people know, or this program's own pub where that is not installed.
func (p *program) demoExample(broker net.Addr) string {
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		return demo.OwnExample(p.self(), broker)
	}
	return demo.Example(broker)
}

// demoFiles are the demo's configuration: a file for visitors to edit.
type demoFiles struct {
	*service.Files
	rules workbench.Source
}

// demoConfig writes the demo's rules to a file in dir and loads it as any configuration is loaded,
// with settings from variables and a secret that lasts as long as the process.
func demoConfig(dir, listen string, broker net.Addr, level string) (demoFiles, *config.Config, error) {
	path := filepath.Join(dir, "demo.yaml")
	text := append(demo.Config(), "\n# The console stands on the demo's page.\nops: {listen: '', show_payloads: true}\n"...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return demoFiles{}, nil, err
	}
	environ := []string{
		"BRIDGE_LOG_LEVEL=" + level,
		"BRIDGE_BROKER_URL=mqtt://" + broker.String(),
		"BRIDGE_SERVER_LISTEN=" + listen,
		"BRIDGE_AUTH_JWT_SECRET=" + rand.Text() + rand.Text(),
	}
	files := service.NewFiles(path, func() config.Result { return config.Check(path, environ) })
	c, problems := files.Read()
	var err error
	for _, problem := range problems {
		err = errors.Join(err, problem)
	}
	return demoFiles{files, workbench.Source{Path: path, Environ: environ}}, c, err
}
