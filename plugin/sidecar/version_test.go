package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"mqtt-stomp-bridge/plugin/ops"
)

// What go build and go install leave in a program, and what version says of it.
func TestVersionOfBuild(t *testing.T) {
	checkout := []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "c0ffee"}, {Key: "vcs.time", Value: "2026-05-01T12:00:00Z"}}
	tests := map[string]struct {
		main     string
		settings []debug.BuildSetting
		want     ops.Build
		line     string
	}{
		"of a checkout": {
			"v1.0.1-0.20260501120000-c0ffee", append(checkout, debug.BuildSetting{Key: "vcs.modified", Value: "false"}),
			ops.Build{Version: "v1.0.1-0.20260501120000-c0ffee", Commit: "c0ffee", Date: "2026-05-01T12:00:00Z"},
			"mqtt-stomp-bridge v1.0.1-0.20260501120000-c0ffee (commit c0ffee, 2026-05-01T12:00:00Z, go1.26.8, ",
		},
		"of a changed checkout": {
			"v1.0.0+dirty", append(checkout, debug.BuildSetting{Key: "vcs.modified", Value: "true"}),
			ops.Build{Version: "v1.0.0+dirty", Commit: "c0ffee-dirty", Date: "2026-05-01T12:00:00Z"},
			"mqtt-stomp-bridge v1.0.0+dirty (commit c0ffee-dirty, 2026-05-01T12:00:00Z, go1.26.8, ",
		},
		"of a module":             {"v1.0.0", nil, ops.Build{Version: "v1.0.0"}, "mqtt-stomp-bridge v1.0.0 (go1.26.8, "},
		"without version control": {"(devel)", nil, ops.Build{}, "mqtt-stomp-bridge  (go1.26.8, "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := buildOf(&debug.BuildInfo{Main: debug.Module{Version: test.main}, Settings: test.settings})
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			got.GoVersion = "go1.26.8"
			if line, want := versionLine(got), test.line+runtime.GOOS+"/"+runtime.GOARCH+")"; line != want {
				t.Errorf("%s, want %s", line, want)
			}
		})
	}
}
