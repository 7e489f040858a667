package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/listen"
	"mqtt-stomp-bridge/plugin/service"
)

// tokenVariable holds the token for listen. Tokens never stand in a command line, which every user
// of the machine can read.
const tokenVariable = "MQTT_STOMP_BRIDGE_TOKEN"

// A listenOptions is the command line of listen.
type listenOptions struct {
	path, url, user, tokenFile string
	claims                     claimFlags
	queues                     []string
	count                      int
	wait                       float64 // seconds
	from                       string
	snapshot, verbose          bool
	format                     string
}

// listenCommand prints what a bridge delivers.
func (p *program) listenCommand() *cobra.Command {
	var o listenOptions
	c := p.command(description{
		name: "listen", group: groupClients,
		about:   "print what the queues deliver, like mosquitto_sub for topics",
		codes:   fmt.Sprintf("%s, %d nothing more came within -W SECONDS", usualCodes, exitWaited),
		example: "  mqtt-stomp-bridge listen -u ada -q /queue/message -C 1 -W 20",
	}, func(ctx context.Context) error { return p.listen(ctx, o) })
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVarP(&o.url, "url", "L", "", "the `URL` of the bridge, such as ws://127.0.0.1:8080/ws.communication; default: the address in the configuration")
	f.StringArrayVarP(&o.queues, "queue", "q", nil, "a `queue` to subscribe to; can be repeated; default: all four")
	f.StringVarP(&o.user, "user", "u", "", "make a token for this `user` with the configured secret; default: the token in $"+tokenVariable+", or --token-file")
	o.claims.add(c)
	f.StringVar(&o.tokenFile, "token-file", "", "read the token from this `file`")
	f.IntVarP(&o.count, "count", "C", 0, "end after this many messages")
	waitFlag(c, &o.wait, "end")
	f.StringVar(&o.from, "resume-from", "", "first replay the messages after this `message-id`")
	f.BoolVar(&o.snapshot, "snapshot", false, "first print the newest entry of each conversation and channel")
	f.StringVarP(&o.format, "format", "F", string(listen.FormatText), "output `format`: text (queue, tab, body), body, or json")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log the connection to standard error")
	choices(c, "queue", contract.QueueNames()...)
	choices(c, "format", string(listen.FormatText), string(listen.FormatBody), string(listen.FormatJSON))
	return c
}

// waitFlag is -W, as mosquitto_sub has it; end says what the command does then.
func waitFlag(c *cobra.Command, seconds *float64, end string) {
	c.Flags().Float64VarP(seconds, "wait", "W", 0, fmt.Sprintf("%s after this many `seconds` with exit code %d", end, exitWaited))
}

func (p *program) listen(ctx context.Context, o listenOptions) error {
	if o.user == "" && o.claims.given() {
		return misused("listen", "--claim and --claims need -u USER")
	}
	l := listen.Config{URL: o.url, Queues: o.queues, ResumeFrom: o.from, Snapshot: o.snapshot, Count: o.count,
		Wait: seconds(o.wait), Format: listen.Format(o.format)}
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelDebug
	}
	l.Logger = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	if len(l.Queues) == 0 {
		l.Queues = contract.QueueNames()
	}
	grant, err := o.claims.grant(o.user, time.Hour)
	if err != nil {
		return err
	}
	if l.URL, l.Token, err = p.endpoint(o.path, o.url, o.tokenFile, grant); err != nil {
		return err
	}
	err = listen.Run(ctx, l, p.messages(o.count))
	switch {
	case errors.Is(err, listen.ErrWaited):
		return exit(exitWaited)
	case err != nil && l.Token == "" && refusedLogin(err):
		return fmt.Errorf("%w; -u USER makes a token with the configured secret, $%s and --token-file give one", err, tokenVariable)
	}
	return err
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// refusedLogin reports whether the server has ended a session because it does not know who its
// client is.
func refusedLogin(err error) bool {
	var refused *listen.ServerError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Message, "401")
}

// messages returns where messages are printed. It shows the progress towards so many of them, 0 for
// no end, to those who see it and not the messages.
func (p *program) messages(all int) io.Writer {
	if isTerminal(p.stdout) || !isTerminal(p.stderr) {
		return p.stdout
	}
	return &messageWriter{w: p.stdout, all: all, shown: newProgress(p.stderr)}
}

// A messageWriter writes messages, one at each Write, and shows how many there were.
type messageWriter struct {
	w      io.Writer
	n, all int
	shown  *progress
}

// Write implements io.Writer.
func (m *messageWriter) Write(b []byte) (int, error) {
	m.n++
	m.shown.step(m.n, func() string {
		if m.all > 0 {
			return fmt.Sprintf("%d of %d messages", m.n, m.all)
		}
		return fmt.Sprintf("%d messages", m.n)
	})
	return m.w.Write(b)
}

// endpoint returns the URL and the token for listen; the configuration is read only for what is not
// given otherwise.
func (p *program) endpoint(path, url, tokenFile string, grant auth.Grant) (string, string, error) {
	token, err := p.givenToken(tokenFile)
	if err != nil {
		return "", "", err
	}
	if url != "" && (token != "" || grant.User == "") {
		return url, token, nil
	}
	c, err := p.load(path)
	if err != nil {
		return "", "", errors.New("the configuration has mistakes; give -L URL to do without it")
	}
	if url == "" {
		url = clientURL(c)
	}
	if grant.User != "" {
		token, err = service.SignToken(c, grant)
	}
	return url, token, err
}

func (p *program) givenToken(file string) (string, error) {
	if file != "" {
		token, err := config.ReadSecretFile(file)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		return string(token), nil
	}
	return p.variable(tokenVariable), nil
}

// clientURL is where a client on this machine reaches the configured server.
func clientURL(c *config.Config) string {
	scheme := "ws"
	if c.Server.CertFile != "" {
		scheme = "wss"
	}
	return scheme + "://" + dialAddress(c.Server.Listen) + c.Server.Path
}

// dialAddress is the address to dial for one that is listened on: the loopback for all interfaces.
func dialAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}
