package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand prints the manual page. It is for packagers, so help does not list it.
func (p *program) manCommand() *cobra.Command {
	c := p.command(description{
		name: "man", about: "print the manual page",
		example: "  mqtt-stomp-bridge man > /usr/local/share/man/man1/mqtt-stomp-bridge.1",
	}, nil)
	c.Hidden = true
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprint(p.stdout, manual(c.Root()))
		return err
	}
	return c
}

// manual returns the manual page of root and all its commands, in the man macros of roff.
func manual(root *cobra.Command) string {
	var m manualPage
	m.line(".TH MQTT-STOMP-BRIDGE 1 %s %s", quoted(""), quoted("mqtt-stomp-bridge "+root.Version))
	m.line(".SH NAME")
	m.text(root.Name() + " - " + root.Short)
	m.line(".SH SYNOPSIS")
	m.line(".B %s", roff(root.Name()))
	m.text("[COMMAND] [flags]")
	m.line(".SH DESCRIPTION")
	m.text(root.Long)
	m.line(".SH COMMANDS")
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && c.Name() != "completion" {
			m.command(c)
		}
	}
	m.line(".SH ENVIRONMENT")
	m.named("BRIDGE_...", "Each setting of the configuration has a variable, such as BRIDGE_BROKER_URL for broker.url.")
	m.named(tokenVariable, "The token for listen.")
	m.named("NO_COLOR", "Where it is set, nothing is coloured.")
	return m.String()
}

// A manualPage is roff text.
type manualPage struct{ strings.Builder }

func (m *manualPage) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// text writes paragraphs.
func (m *manualPage) text(s string) {
	m.line("%s", strings.ReplaceAll(roff(strings.TrimSpace(s)), "\n\n", "\n.PP\n"))
}

// named writes a paragraph that a name heads.
func (m *manualPage) named(name, text string) {
	m.line(".TP\n.B %s", roff(name))
	m.text(text)
}

func (m *manualPage) command(c *cobra.Command) {
	m.line(".SS %s", quoted(strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")))
	m.text(c.Long)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		switch f.DefValue {
		case "", "0", "false", "[]":
		default:
			usage += " (default " + f.DefValue + ")"
		}
		m.named(strings.TrimSpace(name+" "+value), usage)
	})
	if c.Example != "" {
		m.line(".PP\n.nf")
		m.line("%s", roff(c.Example))
		m.line(".fi")
	}
	for _, below := range c.Commands() {
		m.command(below)
	}
}

// roff escapes what the macros would take as their own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// quoted is s as one argument of a macro.
func quoted(s string) string { return `"` + strings.ReplaceAll(roff(s), `"`, `\(dq`) + `"` }
