package main

import (
	"context"
	"fmt"
	"runtime/debug"
)

// version is set by the linker; a build without it has the version control's.
var version = ""

// version prints the version.
func (p *program) version(_ context.Context, args []string) int {
	if code, done := parse(p.flags("version", ""), args); done {
		return code
	}
	fmt.Fprintln(p.stdout, "mqtt-stomp-bridge", buildVersion())
	return exitOK
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
