package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker; a build without it has the version control's.
var version = ""

// versionCommand prints the version.
func (p *program) versionCommand() *cobra.Command {
	return p.command(description{name: "version", about: "print the version"}, func(context.Context) error {
		fmt.Fprintln(p.stdout, "mqtt-stomp-bridge", buildVersion())
		return nil
	})
}

// buildVersion is what the linker or the build's version control says.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
