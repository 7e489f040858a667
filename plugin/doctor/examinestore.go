package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// storeDir is where Debian's package keeps the store.
const storeDir = "/var/lib/mosquitto/"

// examineStore examines what outlives the broker.
func (d *doctor) examineStore() {
	plugins := d.file.plugins()
	if i := slices.IndexFunc(plugins, confLine.isStore); i >= 0 {
		d.examineSQLite(plugins[i])
		return
	}
	on, seen := d.flag("persistence", false)
	if !on {
		d.advise(Fail, "persistence", seen, meansNotStored, "true")
		return
	}
	d.ok("persistence", "%s", seen)
	if _, ok := d.file.setting("persistence_location"); !ok {
		d.advise(Warn, "persistence_location", d.file.name+": persistence_location is not set", meansWorkingDir, storeDir)
	}
	d.examineAutosave()
}

func (d *doctor) examineAutosave() {
	const name, long = "autosave_interval", 60
	n, seen := d.number(name, 1800)
	changes, _ := d.flag("autosave_on_changes", false)
	switch {
	case n == 0:
		d.advise(Warn, name, seen, meansSavedAtEnd, "1")
	case changes:
		d.ok(name, "%s, counted in changes", seen)
	case n > long:
		d.advise(Warn, name, seen, fmt.Sprintf(meansSavedLate, time.Duration(n)*time.Second), "1")
	default:
		d.ok(name, "%s", seen)
	}
}

// examineSQLite examines the store of 2.1 that is a plugin.
func (d *doctor) examineSQLite(plugin confLine) {
	_, location := d.file.setting("persistence_location")
	_, file := d.file.setting("plugin_opt_db_file")
	if !location && !file {
		d.add(finding{
			level: Fail, check: "persistence",
			seen:  plugin.String() + ", and no persistence_location",
			means: meansPluginIdle,
			set:   d.line("persistence_location", "persistence_location "+storeDir),
		})
		return
	}
	d.ok("persistence", "%s", plugin)
	const name = "plugin_opt_flush_period"
	n, seen := d.number(name, 5)
	if n == 0 {
		d.ok(name, "%s", seen)
		return
	}
	set := plugin.location() + ", a new line below it: " + name + " 0"
	if l, ok := d.file.setting(name); ok {
		set = l.location() + ": " + name + " 0"
	}
	d.add(finding{
		level: Warn, check: name,
		seen:  seen,
		means: fmt.Sprintf(meansSavedLate, time.Duration(n)*time.Second),
		set:   set,
	})
}

// examineExpiration compares the broker's own limit for sessions that are away with what the bridge
// asks for.
func (d *doctor) examineExpiration() {
	const name = "persistent_client_expiration"
	l, ok := d.file.setting(name)
	if !ok {
		return // never
	}
	wanted := d.cfg.Settings.Broker.SessionExpiry
	long, ok := parseExpiration(l.value)
	switch {
	case !ok:
		d.add(finding{level: Warn, check: name, seen: l.String(), means: meansUnparsed})
	case long < wanted:
		d.advise(Fail, name, l.String(), fmt.Sprintf(meansExpiration, wanted), "14d")
	default:
		d.ok(name, "%s", l)
	}
}

// parseExpiration parses a number with a unit: s (2.1), h, d, w, m or y. Months have 30 days.
func parseExpiration(text string) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	const day = 24 * time.Hour
	unit := map[byte]time.Duration{'s': time.Second, 'h': time.Hour, 'd': day, 'w': 7 * day, 'm': 30 * day, 'y': 365 * day}[text[len(text)-1]]
	n, err := strconv.Atoi(strings.TrimSpace(text[:len(text)-1]))
	return time.Duration(n) * unit, err == nil && unit > 0
}
