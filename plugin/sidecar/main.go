// Command mqtt-stomp-bridge delivers events from MQTT topics to STOMP clients over WebSocket, by
// rules in YAML.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
	"mqtt-stomp-bridge/plugin/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// Exit codes; listen has mosquitto_sub's 27 besides.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitWaited  = 27
)

// A program is the command with its surroundings, as tests start it too.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// A command is one word of the command line.
type command struct {
	name  string
	about string
	run   func(p *program, ctx context.Context, args []string) int
}

// commands in the order in which help lists them; the first is the default.
var commands []command

func init() {
	commands = []command{
		{"serve", "run the bridge (the default)", (*program).serve},
		{"check", "check the configuration, report every mistake, run the rules' tests", (*program).check},
		{"try", "show what the rules do with an event", (*program).try},
		{"demo", "run the bridge with its own broker, sample events and a web page", (*program).demo},
		{"token", "make a token with the configured secret", (*program).token},
		{"listen", "print what the queues deliver, like mosquitto_sub for topics", (*program).listen},
		{"doctor", "check the broker and the configuration, report what will lose messages", (*program).doctor},
		{"healthcheck", "ask a running bridge whether it is ready", (*program).healthcheck},
		{"version", "print the version", (*program).version},
	}
}

func (p *program) run(ctx context.Context, args []string) int {
	name := "serve"
	switch {
	case len(args) == 0:
	case slices.Contains([]string{"-h", "-help", "--help"}, args[0]):
		name = "help"
	case !strings.HasPrefix(args[0], "-"):
		name, args = args[0], args[1:]
	}
	for _, c := range commands {
		if c.name == name {
			return c.run(p, ctx, args)
		}
	}
	if name == "help" {
		help(p.stdout)
		return exitOK
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	fmt.Fprintf(p.stderr, "no command %q: %s\n\n", name, spelling.DidYouMean(name, names))
	help(p.stderr)
	return exitUsage
}

func help(w io.Writer) {
	fmt.Fprintf(w, "usage: mqtt-stomp-bridge [COMMAND] [-c config.yaml] ...\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.about)
	}
	fmt.Fprintf(w, "\nRun mqtt-stomp-bridge COMMAND -h for the flags of a command.\n")
}

// load reads the configuration and prints what is wrong with it; nil when there is a mistake.
func (p *program) load(path string) *config.Config {
	c, problems := config.Load(path, p.environ)
	printProblems(p.stderr, problems)
	return c
}

func printProblems(w io.Writer, problems []source.Problem) {
	for _, problem := range problems {
		fmt.Fprintln(w, problem.String())
	}
}

func (p *program) fail(err error) int {
	fmt.Fprintf(p.stderr, "mqtt-stomp-bridge: %v\n", err)
	return exitFailure
}
