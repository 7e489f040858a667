package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/service"
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
	files := service.NewFiles(*path, func() (*config.Config, []source.Problem) { return config.Load(*path, p.environ) })
	c, problems := files.Read()
	printProblems(p.stderr, problems)
	if c == nil {
		return exitFailure
	}
	if err := c.CanServe(); err != nil {
		return p.fail(err)
	}
	level := &slog.LevelVar{}
	logger := p.logger(c, level)
	s, err := service.New(ctx, c, service.Options{Logger: logger, Version: buildVersion(), Reload: &service.Reload{
		Files: files, Hangup: hangup, Level: level, Show: p.problemShower(c.Log.Format, logger)}})
	if err != nil {
		return p.fail(err)
	}
	if err := s.Run(ctx); err != nil {
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
				fmt.Fprintln(p.stderr, problem.String())
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
