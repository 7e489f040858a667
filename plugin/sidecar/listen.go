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

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/listen"
	"mqtt-stomp-bridge/plugin/service"
)

// tokenVariable holds the token for listen. Tokens never stand in a command line, which every user
// of the machine can read.
const tokenVariable = "MQTT_STOMP_BRIDGE_TOKEN"

// listen prints what a bridge delivers.
func (p *program) listen(ctx context.Context, args []string) int {
	f := p.flags("listen", "[-c config.yaml] [-L URL] [-q QUEUE ...] [-C COUNT] [-W SECONDS]")
	path := configFlag(f)
	url := f.String("L", "", "the `URL` of the bridge, such as ws://127.0.0.1:8080/ws.communication; default: the address in the configuration")
	user := f.String("u", "", "make a token for this `user` with the configured secret; default: the token in $"+tokenVariable+", or --token-file")
	claims := addClaimFlags(f)
	tokenFile := f.String("token-file", "", "read the token from this `file`")
	count := f.Int("C", 0, "end after this many messages")
	wait := f.Float64("W", 0, fmt.Sprintf("end after this many `seconds` with exit code %d", exitWaited))
	from := f.String("resume-from", "", "first replay the messages after this `message-id`")
	snapshot := f.Bool("snapshot", false, "first print the newest entry of each conversation and channel")
	format := f.String("F", string(listen.FormatText), "output format: text (queue, tab, body), body, or json")
	verbose := f.Bool("v", false, "log the connection to standard error")
	var queues stringList
	f.Var(&queues, "q", "a `queue` to subscribe to; can be repeated; default: all four")
	if code, done := parse(f, args); done {
		return code
	}
	if *user == "" && claims.given() {
		return p.misused(f, "--claim and --claims need -u USER")
	}
	l := listen.Config{URL: *url, Queues: queues, ResumeFrom: *from, Snapshot: *snapshot, Count: *count,
		Wait: time.Duration(*wait * float64(time.Second)), Format: listen.Format(*format)}
	level := slog.LevelWarn
	if *verbose {
		level = slog.LevelDebug
	}
	l.Logger = slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
	if len(l.Queues) == 0 {
		l.Queues = contract.QueueNames()
	}
	grant, err := claims.grant(*user, time.Hour)
	if err != nil {
		return p.fail(err)
	}
	if l.URL, l.Token, err = p.endpoint(*path, *url, *tokenFile, grant); err != nil {
		return p.fail(err)
	}
	err = listen.Run(ctx, l, p.messages(*count))
	switch {
	case errors.Is(err, listen.ErrWaited):
		return exitWaited
	case err != nil && l.Token == "" && refusedLogin(err):
		return p.fail(fmt.Errorf("%w; -u USER makes a token with the configured secret, $%s and --token-file give one", err, tokenVariable))
	case err != nil:
		return p.fail(err)
	}
	return exitOK
}

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
	c := p.load(path)
	if c == nil {
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
	for _, v := range p.environ {
		if value, ok := strings.CutPrefix(v, tokenVariable+"="); ok {
			return value, nil
		}
	}
	return "", nil
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
