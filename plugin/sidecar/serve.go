package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
	"mqtt-stomp-bridge/plugin/workbench"
)

// serveCommand runs the bridge until a signal ends it.
func (p *program) serveCommand() *cobra.Command {
	var path string
	c := p.command(description{
		name: "serve", group: groupBridge,
		about: "run the bridge (the default)",
		more: `SIGINT and SIGTERM end it in order, SIGHUP reloads the configuration, which it also does by itself when
a file changes.`,
		codes: "0 ended by a signal, 1 failed, 2 the command line is wrong",
	}, func(ctx context.Context) error { return p.serve(ctx, path) })
	configFlag(c, &path)
	return c
}

func (p *program) serve(ctx context.Context, path string) error {
	hangup := make(chan os.Signal, 1) // also during the start, when it would end the process otherwise
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	if p.serving != nil {
		p.serving(isTerminal(p.stdin))
	}
	files := service.NewFiles(path, func() config.Result { return config.Check(path, p.environ) })
	c, problems := files.Read()
	level := &slog.LevelVar{}
	if c == nil {
		settings := config.Settings(path, p.environ) // whose log.format may be without a mistake
		p.problemShower(settings.Log.Format, p.logger(settings, level))(problems)
		return exit(exitFailure)
	}
	logger := p.logger(c, level)
	show := p.problemShower(c.Log.Format, logger)
	show(problems)
	err := runBridge(ctx, path, c, service.Options{Logger: logger, Build: thisBuild(), Reload: &service.Reload{
		Files: files, Hangup: hangup, Level: level, Show: show},
		Rules: &workbench.Source{Path: path, Environ: p.environ}})
	if err != nil && c.Log.Format == "json" { // whoever reads the log takes each line for an object
		logger.Error("ended", "error", err)
		return exit(exitFailure)
	}
	return err
}

func runBridge(ctx context.Context, path string, c *config.Config, o service.Options) error {
	if err := c.CanServe(); err != nil {
		return err
	}
	s, err := service.New(ctx, c, o)
	if err != nil {
		return err
	}
	if a := s.OpsAddr(); a != nil {
		defer writeOpsAddress(c.Journal.Dir, path, a.String())()
	}
	return s.Run(ctx)
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

// durationText gives a JSON log durations as a text log has them: 1.5s, where slog writes a number
// of nanoseconds.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// problemShower returns what shows problems with their source lines: as text beside text logs, as a
// field of JSON.
func (p *program) problemShower(format string, logger *slog.Logger) func([]source.Problem) {
	return func(problems []source.Problem) {
		for _, problem := range problems {
			if format != "json" {
				p.printProblems([]source.Problem{problem})
				continue
			}
			level := slog.LevelError
			if problem.Warning {
				level = slog.LevelWarn
			}
			logger.Log(context.Background(), level, "problem in the configuration",
				"problem", problem.Error(), "text", strings.TrimSuffix(problem.String(), "\n"))
		}
	}
}
