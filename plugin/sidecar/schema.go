package main

import (
	"context"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/plugin/config"
)

// schemaCommand prints the JSON Schema of config.yaml.
func (p *program) schemaCommand() *cobra.Command {
	return p.command(description{
		name: "schema", group: groupRules, about: "print the JSON Schema of config.yaml, for editors",
		example: "  mqtt-stomp-bridge schema > config.schema.json",
	}, func(context.Context) error {
		_, err := p.stdout.Write(config.Schema())
		return err
	})
}
