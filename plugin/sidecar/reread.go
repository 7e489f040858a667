package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// rereadCommand has a running bridge read retained messages again, and returns when the bridge has
// committed them.
func (p *program) rereadCommand() *cobra.Command {
	var path, filter string
	var login opsLogin
	c := p.command(description{
		name: "reread", group: groupBridge,
		about: "have a running bridge read retained messages again",
		more: "FILTER is an MQTT topic filter, such as '#' or 'dev/+/state'. The bridge sends what it does not have yet, and the\n" +
			"command ends when that is in the journal. It must run on the bridge's own machine, unless the bridge\n" +
			"demands a login (ops.login).",
		example: "  mqtt-stomp-bridge reread '#'",
	}, func(ctx context.Context) error { return p.reread(ctx, path, login, filter) })
	c.Use = "reread [flags] FILTER"
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return misused("reread", "one topic filter is needed, such as '#'")
		}
		filter = args[0]
		return nil
	}
	configFlag(c, &path)
	loginFlags(c, &login)
	return c
}

func (p *program) reread(ctx context.Context, path string, login opsLogin, filter string) error {
	_, err := p.askOps(ctx, path, login, http.MethodPost, "/reread?"+url.Values{"filter": {filter}}.Encode())
	if err == nil {
		fmt.Fprintln(p.stdout, "retained messages read")
	}
	return err
}
