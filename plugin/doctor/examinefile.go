package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readBrokerFile reads mosquitto.conf and its acl_file, which are needed to name lines in other findings.
func (d *doctor) readBrokerFile() {
	if d.MosquittoConf == "" {
		return
	}
	var err error
	if d.file, err = parseBrokerFile(d.MosquittoConf); err != nil {
		d.add(finding{Fail, "mosquitto-conf", fmt.Sprintf("cannot be read: %v", err), "", ""})
		return
	}
	d.readACL()
}

// readACL reads the acl_file. Where another plugin decides, or each listener has its own file, nothing is known.
func (d *doctor) readACL() {
	if each, _ := d.flag("per_listener_settings", false); each {
		return
	}
	l, ok := d.file.setting("acl_file")
	if !ok {
		l, ok = d.file.setting("plugin_opt_acl_file") // 2.1
	}
	if !ok {
		decides := func(l confLine) bool { return !l.isStore() && !l.isPasswords() }
		if !slices.ContainsFunc(d.file.plugins(), decides) {
			d.acl = &acl{}
		}
		return
	}
	b := d.Settings.Broker
	var err error
	if d.acl, err = readACL(beside(d.file.name, l.value), b.Username, b.ClientID); err != nil {
		d.add(finding{Warn, "acl_file", fmt.Sprintf("%s: cannot be read: %v", l.place(), err), "what it hides from the bridge cannot be told", ""})
		return
	}
	if m := d.acl.mistake; m.line > 0 {
		d.add(finding{Fail, "acl_file", fmt.Sprintf("%s:%d: %s", d.acl.file, m.line, m.what),
			"the broker does not start with it; at SIGHUP 2.1 ends, and 2.0 lets everybody read and write everything until it is mended", fmt.Sprintf("%s:%d: mend the line", d.acl.file, m.line)})
	}
}

// examineBrokerFile looks at the settings that cannot be seen over MQTT and that lose messages while a client is away.
func (d *doctor) examineBrokerFile() {
	if d.file == nil {
		if d.MosquittoConf == "" {
			d.reportUnseen()
		}
		return
	}
	d.examineQueue()
	d.examineStore()
	d.examineExpiration()
	d.examineListeners()
	d.examineRest()
}

// reportUnseen names what nobody can tell without the file.
func (d *doctor) reportUnseen() {
	unseen, more := "max_queued_messages (1000 by default), ", ", or doctor --away 5000, which measures the queue"
	if d.waited {
		unseen, more = "", ""
	}
	d.add(finding{Warn, "mosquitto-conf", "some settings cannot be seen over MQTT: " + unseen + "persistence (false by default), autosave_interval (1800), persistent_client_expiration",
		"at their defaults they lose messages while the bridge is away or when the broker restarts, without a word", "doctor --mosquitto-conf FILE reads them" + more})
}

// number returns the value of a numeric setting and where it stands.
func (d *doctor) number(name string, byDefault int) (n int, seen string) {
	l, ok := d.file.setting(name)
	if !ok {
		return byDefault, fmt.Sprintf("%s: %s is not set, so it is %d", d.file.name, name, byDefault)
	}
	n, _ = strconv.Atoi(l.value) // the broker does not start with anything else
	return n, fmt.Sprintf("%s: %s %s", l.place(), name, l.value)
}

// flag returns the value of a setting that is true or false, and where it stands.
func (d *doctor) flag(name string, byDefault bool) (on bool, seen string) {
	l, ok := d.file.setting(name)
	if !ok {
		return byDefault, fmt.Sprintf("%s: %s is not set, so it is %t", d.file.name, name, byDefault)
	}
	return l.value == "true" || l.value == "1", fmt.Sprintf("%s: %s %s", l.place(), name, l.value)
}

// examineQueue looks at how much waits for a client that is away.
func (d *doctor) examineQueue() {
	const check, advised, few = "max_queued_messages", "max_queued_messages 1000000", 100_000
	n, seen := d.number(check, 1000)
	set := d.line(check, advised)
	switch {
	case n == 0 && !d.since(2, 0, 22):
		d.add(finding{Fail, check, seen, "meant to be no limit; before 2.0.22 clients got nothing, or the default held after all", set})
	case n == 0:
		d.add(finding{Warn, check, seen, "no limit: a bridge that stays away fills the broker's memory", set})
	case n <= 1000:
		d.add(finding{Fail, check, seen, fmt.Sprintf("of what comes while the bridge is away, %d events wait; the rest is dropped, without a word to whoever has published it", n), set})
	case n < few:
		d.add(finding{Warn, check, seen, fmt.Sprintf("of what comes while the bridge is away, %d events wait; the rest is dropped", n), set})
	default:
		d.ok(check, "%s", seen)
	}
	if n, seen := d.number("max_queued_bytes", 0); n > 0 {
		d.add(finding{Warn, "max_queued_bytes", seen, fmt.Sprintf("some %d events of 500 bytes wait while the bridge is away, whatever max_queued_messages says; the rest is dropped", n/500),
			d.line("max_queued_bytes", "max_queued_bytes 0")})
	}
	if on, seen := d.flag("queue_qos0_messages", false); on {
		d.add(finding{Note, "queue_qos0_messages", seen, "events at QoS 0 wait too, and take room of those at QoS 1 in the same queue", d.line("queue_qos0_messages", "queue_qos0_messages false")})
	}
	if n, seen := d.number("max_inflight_messages", 20); n == 1 {
		d.add(finding{Note, "max_inflight_messages", seen, "each event waits for the acknowledgement of the one before: a busy system outruns it, and the queue fills", d.line("max_inflight_messages", "max_inflight_messages 20")})
	}
}

// since reports whether the broker is of the version or a later one; one that is not known is not.
func (d *doctor) since(version ...int) bool {
	parts := strings.Split(d.version, ".")
	for i, want := range version {
		if i >= len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n != want {
			return err == nil && n > want
		}
	}
	return true
}

// examineStore looks at what outlives the broker.
func (d *doctor) examineStore() {
	plugins := d.file.plugins()
	if i := slices.IndexFunc(plugins, confLine.isStore); i >= 0 {
		d.examineSQLite(plugins[i])
		return
	}
	on, seen := d.flag("persistence", false)
	if !on {
		d.add(finding{Fail, "persistence", seen, "a restart of the broker ends the bridge's session, with all that waits in it, and forgets retained messages", d.line("persistence", "persistence true")})
		return
	}
	d.ok("persistence", "%s", seen)
	if _, ok := d.file.setting("persistence_location"); !ok {
		d.add(finding{Warn, "persistence_location", d.file.name + ": persistence_location is not set", "the store is in the broker's working directory, which may not outlive it, or may not be writable",
			d.line("persistence_location", "persistence_location /var/lib/mosquitto/")})
	}
	const long = 60
	n, seen := d.number("autosave_interval", 1800)
	changes, _ := d.flag("autosave_on_changes", false)
	better := d.line("autosave_interval", "autosave_interval 1")
	switch {
	case n == 0:
		d.add(finding{Warn, "autosave_interval", seen, "the store is written only when the broker ends: a crash loses all that waits", better})
	case changes:
		d.ok("autosave_interval", "%s, counted in changes", seen)
	case n > long:
		d.add(finding{Warn, "autosave_interval", seen, fmt.Sprintf("a crash or a power cut loses what came in the last %s and waits for the bridge", time.Duration(n)*time.Second), better})
	default:
		d.ok("autosave_interval", "%s", seen)
	}
}

// examineSQLite looks at the store of 2.1 that is a plugin.
func (d *doctor) examineSQLite(plugin confLine) {
	seen := fmt.Sprintf("%s: %s %s", plugin.place(), plugin.name, plugin.value)
	_, location := d.file.setting("persistence_location")
	_, file := d.file.setting("plugin_opt_db_file")
	if !location && !file {
		d.add(finding{Fail, "persistence", seen + ", and no persistence_location", "the broker starts, warns that the plugin is not activated, and stores nothing: a restart ends the bridge's session, with all that waits in it",
			d.line("persistence_location", "persistence_location /var/lib/mosquitto/")})
		return
	}
	d.ok("persistence", "%s", seen)
	const check = "plugin_opt_flush_period"
	n, seen := d.number(check, 5)
	if n > 0 {
		set := plugin.place() + ", a new line below it: " + check + " 0"
		if l, ok := d.file.setting(check); ok {
			set = l.place() + ": " + check + " 0"
		}
		d.add(finding{Warn, check, seen, fmt.Sprintf("a crash or a power cut loses what came in the last %s and waits for the bridge", time.Duration(n)*time.Second), set})
		return
	}
	d.ok(check, "%s", seen)
}

// examineExpiration compares the broker's own limit for sessions that are away with what the bridge asks for.
func (d *doctor) examineExpiration() {
	const check = "persistent_client_expiration"
	l, ok := d.file.setting(check)
	if !ok {
		return // never
	}
	seen := fmt.Sprintf("%s: %s %s", l.place(), check, l.value)
	wanted := d.Settings.Broker.SessionExpiry
	long, ok := parseExpiration(l.value)
	switch {
	case !ok:
		d.add(finding{Warn, check, seen, "not understood here", ""})
	case long < wanted:
		d.add(finding{Fail, check, seen, fmt.Sprintf("the broker ends the bridge's session after that, though the bridge asks for %s (broker.session_expiry): what waits is lost, and the CONNACK does not say so", wanted),
			d.line(check, check+" 14d")})
	default:
		d.ok(check, "%s", seen)
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

// examineListeners looks at what a broker may do to clients and their topics where they come in.
func (d *doctor) examineListeners() {
	if on, seen := d.flag("use_username_as_clientid", false); on {
		d.add(finding{Fail, "use_username_as_clientid", seen, "the bridge receives on one connection and sends on another, both with its user name: the broker ends each for the other, again and again",
			d.line("use_username_as_clientid", "use_username_as_clientid false")})
	}
	if n, seen := d.number("message_size_limit", 0); n > 0 {
		d.add(finding{Warn, "message_size_limit", seen, "an event with a larger payload is dropped, and publishers with MQTT 3.1.1 or QoS 0 are told that all is well",
			d.line("message_size_limit", "max_packet_size 1000000") + ", which ends the publisher's connection"})
	}
	if l, ok := d.file.setting("mount_point"); ok {
		d.add(finding{Note, "mount_point", fmt.Sprintf("%s: mount_point %s", l.place(), l.value), "what is published at that listener has this before its topic for clients of other listeners, and whoever connects there sees nothing else", ""})
	}
}

// examineRest looks at what does not lose messages and may surprise all the same.
func (d *doctor) examineRest() {
	for _, name := range []string{"allow_anonymous", "listener_allow_anonymous"} { // the second since 2.1
		if on, seen := d.flag(name, false); on {
			d.add(finding{Warn, "allow_anonymous", seen, "whoever reaches the port can publish events as your services do, and read what no acl_file hides",
				d.line(name, name+" false") + ", with password_file and acl_file"})
		}
	}
	if l, ok := d.file.setting("memory_limit"); ok && l.value != "0" {
		d.add(finding{Warn, "memory_limit", fmt.Sprintf("%s: memory_limit %s", l.place(), l.value), "when it is reached, messages are dropped and clients disconnected", "nothing, if it has room for what may wait: a million events of 500 bytes take 0.9 GB"})
	}
	if on, seen := d.flag("set_tcp_nodelay", false); !on {
		d.add(finding{Note, "set_tcp_nodelay", seen, "Nagle's algorithm holds messages back, some 4 ms mostly and 40 ms now and then: nothing is lost, but it is late", d.line("set_tcp_nodelay", "set_tcp_nodelay true")})
	}
}
