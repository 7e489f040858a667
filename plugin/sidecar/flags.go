package main

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// flags returns a flag set whose usage names the command.
func (p *program) flags(name, arguments string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(p.stderr)
	f.Usage = func() {
		fmt.Fprintf(p.stderr, "usage: mqtt-stomp-bridge %s\n\n", strings.TrimSpace(name+" "+arguments))
		f.PrintDefaults()
	}
	return f
}

// parse parses args, all of which must be flags; done tells that the command ends with the code.
func parse(f *flag.FlagSet, args []string) (code int, done bool) {
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK, true
	case err != nil:
		return exitUsage, true
	case f.NArg() > 0:
		fmt.Fprintf(f.Output(), "unexpected %q%s\n", f.Arg(0), meant(f))
		f.Usage()
		return exitUsage, true
	}
	return exitOK, false
}

// meant is a hint for a configuration that is given without its flag, and for a command that stands
// behind its flags.
func meant(f *flag.FlagSet) string {
	ext := filepath.Ext(f.Arg(0))
	switch {
	case f.Lookup("c") != nil && (ext == ".yaml" || ext == ".yml"):
		return ": the configuration is given with -c " + f.Arg(0)
	case slices.ContainsFunc(commands, func(c command) bool { return c.name == f.Arg(0) }):
		return ": the command comes first, as in mqtt-stomp-bridge " + f.Arg(0) + " -c config.yaml"
	}
	return ""
}

// misused says what is wrong with the flags, and which there are.
func (p *program) misused(f *flag.FlagSet, what string) int {
	fmt.Fprintln(p.stderr, what)
	f.Usage()
	return exitUsage
}

// configFlag is -c, as mosquitto has it.
func configFlag(f *flag.FlagSet) *string {
	return f.String("c", "config.yaml", "the configuration `file`")
}

// A stringList is a flag that may be given several times.
type stringList []string

// String implements flag.Value.
func (l *stringList) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value.
func (l *stringList) Set(s string) error {
	*l = append(*l, s)
	return nil
}
