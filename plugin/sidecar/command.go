package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mqtt-stomp-bridge/mapping/spelling"
)

// The groups in which help lists the commands.
const (
	groupBridge  = "bridge"
	groupRules   = "rules"
	groupClients = "clients"
)

// root returns the command line: what is called without a command is serve.
func (p *program) root() *cobra.Command {
	root := p.serveCommand()
	root.Use = "mqtt-stomp-bridge [flags]"
	root.Short = "deliver events from MQTT topics to STOMP clients over WebSocket"
	root.Long = `mqtt-stomp-bridge delivers events from MQTT topics to STOMP clients over WebSocket, by rules in YAML.
Without a command it runs the bridge, as serve does.`
	root.Version = thisBuild().Version
	root.Flags().Bool("version", false, "print the version") // or the library gives it -v, which is verbose elsewhere
	root.SetVersionTemplate(versionLine(thisBuild()) + "\n")
	root.GroupID, root.Args = "", knownCommand
	root.SilenceErrors, root.SilenceUsage = true, true // run prints errors
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupBridge, Title: "The bridge:"},
		&cobra.Group{ID: groupRules, Title: "Its configuration:"},
		&cobra.Group{ID: groupClients, Title: "What goes in and comes out:"})
	root.AddCommand(p.serveCommand(), p.demoCommand(), p.healthcheckCommand(), p.rereadCommand(), p.memoryCommand(), p.explainCommand(), p.journalCommand(),
		p.checkCommand(), p.tryCommand(), p.doctorCommand(),
		p.pubCommand(), p.listenCommand(), p.tokenCommand(),
		p.schemaCommand(), p.versionCommand(), p.manCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short = "say what a command takes"
		case "completion":
			c.Short = "print the completions for bash, zsh, fish or PowerShell"
		}
	}
	return root
}

// A description is what help says of a command.
type description struct {
	name, group string
	about       string // one line
	more        string // further text; "": none
	codes       string // what its exit codes say; 0, 1 and 2 say the usual where there is none
	example     string
}

const usualCodes = "0 done, 1 failed, 2 the command line is wrong"

// command returns a command without flags, which takes no arguments.
func (p *program) command(d description, run func(ctx context.Context) error) *cobra.Command {
	codes := d.codes
	if codes == "" {
		codes = usualCodes
	}
	long := strings.ToUpper(d.about[:1]) + d.about[1:] + ".\n"
	if d.more != "" {
		long += "\n" + d.more + "\n"
	}
	c := &cobra.Command{
		Use:               d.name,
		GroupID:           d.group,
		Short:             d.about,
		Long:              long + "\nExit codes: " + codes + ".",
		Example:           d.example,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(c *cobra.Command, _ []string) error { return run(c.Context()) },

		DisableFlagsInUseLine: true,
	}
	if d.name != "" {
		c.Use += " [flags]"
	}
	c.Flags().SortFlags = false
	return c
}

// misused is the error of a command whose flags do not fit each other.
func misused(command, format string, args ...any) error {
	return &misuse{"mqtt-stomp-bridge " + command, fmt.Sprintf(format, args...)}
}

// knownCommand takes no arguments: the first is no command, or it would not stand here.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if hint := configHint(args[0]); hint != "" {
		return noArguments(c, args)
	}
	var names []string
	for _, command := range c.Commands() {
		if !command.Hidden {
			names = append(names, command.Name())
		}
	}
	return &misuse{c.CommandPath(), fmt.Sprintf("no command %q: %s", args[0], spelling.DidYouMean(args[0], names))}
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &misuse{c.CommandPath(), fmt.Sprintf("unexpected %q%s", args[0], configHint(args[0]))}
}

// configHint is a hint for a configuration that is given without its flag.
func configHint(arg string) string {
	if ext := filepath.Ext(arg); ext == ".yaml" || ext == ".yml" {
		return ": the configuration is given with -c " + arg
	}
	return ""
}

// flagError adds to the error of a flag what was probably meant.
func flagError(c *cobra.Command, err error) error {
	what := err.Error()
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var long []string
		c.Flags().VisitAll(func(f *pflag.Flag) { long = append(long, f.Name) })
		name, _, _ := strings.Cut(unknown.GetSpecifiedName(), "=")
		short, _, _ := strings.Cut(unknown.GetSpecifiedShortnames(), "=")
		switch {
		case len(short) > 1 && c.Flags().Lookup(short) != nil:
			what += ": write --" + short
		case spelling.Nearest(name, long) != "":
			what += ": did you mean --" + spelling.Nearest(name, long) + "?"
		}
	}
	return &misuse{c.CommandPath(), what}
}

// configFlag is -c, as mosquitto has it.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", "config.yaml", "the configuration `file`")
	c.MarkFlagFilename("config", "yaml", "yml")
}

// A format is how a command prints what it has found.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

// formatFlag is --format; about says what JSON is for.
func formatFlag(c *cobra.Command, f *format, about string) {
	*f = formatText
	c.Flags().Var(f, "format", "output `format`: text, or json "+about)
	choices(c, "format", string(formatText), string(formatJSON))
}

// String implements pflag.Value.
func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "format" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	if s != string(formatText) && s != string(formatJSON) {
		return fmt.Errorf("it is text or json")
	}
	*f = format(s)
	return nil
}

// choices lets the shell complete the values of a flag.
func choices(c *cobra.Command, flag string, values ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("mqtt-stomp-bridge: " + err.Error()) // no such flag
	}
}
