package service_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/service"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// load loads a configuration that holds the text, with settings that a test needs.
func load(t *testing.T, text string, environ ...string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(path, append([]string{
		"BRIDGE_SERVER_LISTEN=127.0.0.1:0",
		"BRIDGE_OPS_LISTEN=" + mosquittotest.FreeAddr(t),
		"BRIDGE_AUTH_JWT_SECRET=" + bridgetest.Secret,
	}, environ...))
	if c == nil {
		t.Fatalf("the configuration has problems: %v", problems)
	}
	return c
}

// What New has opened is closed when a later part fails.
func TestNewFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := mosquittotest.FreeAddr(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ variable, want string }{
		"the clients' address": {"BRIDGE_SERVER_LISTEN=" + taken.Addr().String(), "server.listen: "},
		"the ops address":      {"BRIDGE_OPS_LISTEN=" + taken.Addr().String(), "ops.listen: "},
		"the journal":          {"BRIDGE_JOURNAL_DIR=" + file, "journal.dir: "},
	} {
		c := load(t, "", "BRIDGE_SERVER_LISTEN="+free, test.variable)
		_, err := service.New(t.Context(), c, service.Options{Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want %s…", name, err, test.want)
		}
		if l, err := net.Listen("tcp", free); err != nil {
			t.Errorf("%s: a listener is left over: %v", name, err)
		} else {
			l.Close()
		}
	}
}

// A good configuration is put into force, one with a mistake leaves the old one in force, and both
// are counted.
func TestReload(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broker, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	c := load(t, "", "BRIDGE_BROKER_URL=mqtt://"+broker.Addr().String())
	doubtful := source.Problem{File: "f", Line: 3, Column: 1, Message: "doubtful", Warning: true}
	wrong := source.Problem{File: "f", Line: 1, Column: 2, Message: "wrong"}
	results := make(chan []source.Problem, 1) // of the next load; with a mistake there is no configuration
	files := service.NewFiles(c.Files[0], func() config.Result {
		problems := <-results
		for _, p := range problems {
			if !p.Warning {
				return config.Result{Problems: problems}
			}
		}
		return config.Result{Config: c, Problems: problems}
	})
	results <- nil
	files.Read()
	log := &bridgetest.Buffer{}
	hangup, shown := make(chan os.Signal), make(chan []source.Problem, 1)
	s, err := service.New(t.Context(), c, service.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Reload: &service.Reload{
		Files: files, Hangup: hangup, Level: &slog.LevelVar{}, Show: func(p []source.Problem) { shown <- p }}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for _, step := range []struct {
		problems []source.Problem
		log      string
		count    string
	}{
		{nil, "msg=reloaded", `reloads_total{result="done"} 1`},
		{[]source.Problem{doubtful}, "msg=reloaded", `reloads_total{result="done"} 2`},
		{[]source.Problem{wrong, doubtful, wrong}, `reason="f:1:2: wrong (and 1 more)"`, `reloads_total{result="refused"} 1`},
	} {
		results <- step.problems
		hangup <- syscall.SIGHUP
		if got := <-shown; len(got) != len(step.problems) {
			t.Errorf("problems %v are shown, want %v", got, step.problems)
		}
		bridgetest.Eventually(t, step.count, func() bool { return strings.Contains(bridgetest.Metrics(c.Ops.Listen), step.count) })
		if !strings.Contains(log.String(), step.log) {
			t.Errorf("no %s in\n%s", step.log, log)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Without a directory for the journal the log says that memory is lost, once rules remember: at the
// start, or after a reload.
func TestMemoryIsLostWithTheProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broker, err := demo.StartBroker(l, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	url := "BRIDGE_BROKER_URL=mqtt://" + broker.Addr().String()
	const rules = `
memory: {seen: {}}
rules:
  - {name: see, topic: t, payload: ignore, remember: {seen: {key: all, value: x}}}
  - {name: forget, forgotten: seen, forget: {seen: =key}}
`
	plain, remembering, kept := load(t, "", url), load(t, rules, url), load(t, rules, url, "BRIDGE_JOURNAL_DIR="+t.TempDir())
	for _, tt := range []struct {
		name          string
		first, second *config.Config
		want          []int // lines after the start, after a reload, and after another
	}{
		{"at the start", remembering, remembering, []int{1, 1, 1}},
		{"after a reload", plain, remembering, []int{0, 1, 1}},
		{"kept on disk", kept, kept, []int{0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, hangup := &bridgetest.Buffer{}, make(chan os.Signal)
			s, err := service.New(t.Context(), tt.first, service.Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Reload: &service.Reload{
				Files:  service.NewFiles(tt.first.Files[0], func() config.Result { return config.Result{Config: tt.second} }),
				Hangup: hangup, Level: &slog.LevelVar{}, Show: func([]source.Problem) {}}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			for reloads, want := range tt.want {
				if reloads > 0 {
					hangup <- syscall.SIGHUP
				}
				bridgetest.Eventually(t, "the reload", func() bool { return len(log.Lines("msg=reloaded")) == reloads })
				const line = `level=WARN msg="what the rules remember is lost when the process ends; set journal.dir to keep it"`
				if n := len(log.Lines(line)); n != want {
					t.Errorf("%d lines after %d reloads, want %d", n, reloads, want)
				}
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
