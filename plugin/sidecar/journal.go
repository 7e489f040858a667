package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/plugin/service"
)

// journalCommand has the commands that work on a journal while no bridge does.
func (p *program) journalCommand() *cobra.Command {
	c := p.command(description{
		name: "journal", group: groupBridge,
		about: "carry a journal over to several bridges",
	}, nil)
	c.Use, c.Args = "journal", knownCommand
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(p.journalImportCommand())
	return c
}

func (p *program) journalImportCommand() *cobra.Command {
	var path, from string
	c := p.command(description{
		name:  "import",
		about: "carry the journal of one bridge over into the empty stream of several",
		more: `Stop the bridge first, import, then start the bridges with journal.nats. Clients go on where they were, and
rules remember what they did. The journal in the directory stays as it is. An import that was interrupted is
begun again; until one is done no bridge starts on the stream.`,
		example: "  mqtt-stomp-bridge journal import --from /var/lib/mqtt-stomp-bridge",
	}, func(ctx context.Context) error { return p.importJournal(ctx, path, from) })
	configFlag(c, &path)
	c.Flags().StringVar(&from, "from", "", "the `directory` that was journal.dir")
	c.MarkFlagDirname("from")
	return c
}

func (p *program) importJournal(ctx context.Context, path, from string) error {
	if from == "" {
		return misused("journal import", "--from names the directory with the journal")
	}
	c, err := p.load(path)
	if err != nil {
		return err
	}
	began, shown := time.Now(), newProgress(p.stderr)
	level := &slog.LevelVar{}
	logger := p.logger(c, level)
	level.Set(max(c.Log.Level, slog.LevelWarn)) // progress and the last line say the rest
	done, err := service.ImportJournal(ctx, c, from, logger, func(d jetstream.Imported) {
		shown.step(d.Entries+d.Keys+d.Records, func() string { return imported(d) })
	})
	if err != nil {
		return err
	}
	if done.Again {
		fmt.Fprintln(p.stdout, "an import had been interrupted: what it left in the stream was thrown away")
	}
	fmt.Fprintf(p.stdout, "%s in %.1f s\n", imported(done), time.Since(began).Seconds())
	return nil
}

func imported(d jetstream.Imported) string {
	return fmt.Sprintf("imported %d entries, %d more that are the newest of their key, %d records", d.Entries, d.Keys, d.Records)
}
