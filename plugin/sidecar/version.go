package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/plugin/ops"
)

// A release has these set by the linker. Of other builds Go knows some, from version control.
var version, revision, revisionDate string

// versionCommand prints what the program was built of.
func (p *program) versionCommand() *cobra.Command {
	return p.command(description{name: "version", about: "print the version"}, func(context.Context) error {
		fmt.Fprintln(p.stdout, versionLine(thisBuild()))
		return nil
	})
}

// versionLine is the build in one line, whose second word is the version.
func versionLine(b ops.Build) string {
	var built []string
	if b.Commit != "" {
		built = append(built, "commit "+b.Commit)
	}
	if b.Date != "" {
		built = append(built, b.Date)
	}
	built = append(built, b.GoVersion, runtime.GOOS+"/"+runtime.GOARCH)
	return fmt.Sprintf("mqtt-stomp-bridge %s (%s)", b.Version, strings.Join(built, ", "))
}

// thisBuild is what the linker says of this program, and where that is silent, Go.
func thisBuild() ops.Build {
	b := ops.Build{Version: version, Commit: revision, Date: revisionDate, GoVersion: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		known := buildOf(info)
		b.Version = cmp.Or(b.Version, known.Version)
		b.Commit = cmp.Or(b.Commit, known.Commit)
		b.Date = cmp.Or(b.Date, known.Date)
	}
	b.Version = cmp.Or(b.Version, "devel")
	return b
}

// buildOf is what Go knows of a build. There is no version where it was built of a checkout without
// version control, and no commit in a program of go install PACKAGE@VERSION.
func buildOf(info *debug.BuildInfo) (b ops.Build) {
	if v := info.Main.Version; v != "(devel)" {
		b.Version = v
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty {
		b.Commit += "-dirty"
	}
	return b
}
