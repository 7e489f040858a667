// Command mqtt-stomp-bridge delivers events from MQTT topics to STOMP clients over WebSocket, by
// rules in YAML.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once, unless serve has it otherwise
	p := program{name: os.Args[0], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), serving: endInOrder}
	os.Exit(p.run(ctx, os.Args[1:]))
}

// Exit codes; those that wait have mosquitto_sub's 27 besides.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitWaited  = 27
)

// A program is the command with its surroundings, as tests start it too.
type program struct {
	name           string // as the shell finds it; "": mqtt-stomp-bridge
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	serving        func(terminal bool) // called when serve begins; nil: nothing
}

// exit is the error of a command that ends with this code and has said why already.
type exit int

// Error implements error.
func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// A misuse is a command line that cannot be carried out.
type misuse struct {
	command string // with the program
	what    string
}

// Error implements error.
func (m *misuse) Error() string { return m.what }

// run runs the command that args name and returns its exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exit
	var wrong *misuse
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		fmt.Fprintf(p.stderr, "%s: %s\nRun %s --help for what it takes.\n", wrong.command, wrong.what, wrong.command)
		return exitUsage
	}
	fmt.Fprintf(p.stderr, "mqtt-stomp-bridge: %v\n", err)
	return exitFailure
}

// self is how a line for the shell calls this program.
func (p *program) self() string { return cmp.Or(p.name, "mqtt-stomp-bridge") }

// variable returns the value of an environment variable; "" when it is not set.
func (p *program) variable(name string) string {
	for _, v := range p.environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// load reads the configuration and prints what is wrong with it. The error, where there is a
// mistake, is exit code 1.
func (p *program) load(path string) (*config.Config, error) {
	c, problems := config.Load(path, p.environ)
	p.printProblems(problems)
	if c == nil {
		return nil, exit(exitFailure)
	}
	return c, nil
}

func (p *program) printProblems(problems []source.Problem) {
	s := p.style(p.stderr)
	for _, problem := range problems {
		fmt.Fprintln(p.stderr, s.problem(problem))
	}
}
