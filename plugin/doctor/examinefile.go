package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// readBrokerFile reads mosquitto.conf and its acl_file, which are needed to name lines in other
// findings.
func (d *doctor) readBrokerFile() {
	if d.cfg.MosquittoConf == "" {
		return
	}
	var err error
	if d.file, err = parseBrokerFile(d.cfg.MosquittoConf); err != nil {
		d.add(finding{level: Fail, check: "mosquitto-conf", seen: fmt.Sprintf("cannot be read: %v", err)})
		return
	}
	d.readACL()
}

// readACL reads the acl_file. Where another plugin decides, or each listener has its own file,
// nothing is known.
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
	b := d.cfg.Settings.Broker
	var err error
	if d.acl, err = readACL(beside(d.file.name, l.value), b.Username, b.ClientID); err != nil {
		d.add(finding{
			level: Warn, check: "acl_file",
			seen:  fmt.Sprintf("%s: cannot be read: %v", l.location(), err),
			means: meansACLUnread,
		})
		return
	}
	if m := d.acl.mistake; m.line > 0 {
		at := fmt.Sprintf("%s:%d: ", d.acl.file, m.line)
		d.add(finding{level: Fail, check: "acl_file", seen: at + m.what, means: meansACLMistake, set: at + "correct the line"})
	}
}

// examineBrokerFile examines the settings that cannot be seen over MQTT and that lose messages
// while a client is away.
func (d *doctor) examineBrokerFile() {
	if d.file == nil {
		if d.cfg.MosquittoConf == "" {
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
	f := finding{
		level: Warn, check: "mosquitto-conf",
		seen:  fmt.Sprintf(seenUnseen, "max_queued_messages (1000 by default), "),
		means: meansUnseen,
		set:   "doctor --mosquitto-conf FILE reads them, or doctor --away 5000, which measures the queue",
	}
	if d.waited {
		f.seen, f.set = fmt.Sprintf(seenUnseen, ""), "doctor --mosquitto-conf FILE reads them"
	}
	d.add(f)
}

// number returns the value of a numeric setting and where it stands.
func (d *doctor) number(name string, byDefault int) (n int, seen string) {
	l, ok := d.file.setting(name)
	if !ok {
		return byDefault, d.unset(name, byDefault)
	}
	n, _ = strconv.Atoi(l.value) // the broker does not start with anything else
	return n, l.String()
}

// flag returns the value of a setting that is true or false, and where it stands.
func (d *doctor) flag(name string, byDefault bool) (on bool, seen string) {
	l, ok := d.file.setting(name)
	if !ok {
		return byDefault, d.unset(name, byDefault)
	}
	return l.value == "true" || l.value == "1", l.String()
}

func (d *doctor) unset(name string, byDefault any) string {
	return fmt.Sprintf("%s: %s is not set, so it is %v", d.file.name, name, byDefault)
}

// advise adds a finding about a setting, whose line should be as advised.
func (d *doctor) advise(level Level, name, seen, means, advised string) {
	d.add(finding{level: level, check: name, seen: seen, means: means, set: d.line(name, name+" "+advised)})
}

// examineQueue examines how much waits for a client that is away.
func (d *doctor) examineQueue() {
	const name, few, advised = "max_queued_messages", 100_000, "1000000"
	n, seen := d.number(name, 1000)
	switch {
	case n == 0 && !d.since(2, 0, 22):
		d.advise(Fail, name, seen, meansZero20, advised)
	case n == 0:
		d.advise(Warn, name, seen, meansZero, advised)
	case n <= 1000:
		d.advise(Fail, name, seen, fmt.Sprintf(meansFew, n), advised)
	case n < few:
		d.advise(Warn, name, seen, fmt.Sprintf(meansSome, n), advised)
	default:
		d.ok(name, "%s", seen)
	}
	if n, seen := d.number("max_queued_bytes", 0); n > 0 {
		d.advise(Warn, "max_queued_bytes", seen, fmt.Sprintf(meansBytes, n/awaySize), "0")
	}
	if on, seen := d.flag("queue_qos0_messages", false); on {
		d.advise(Note, "queue_qos0_messages", seen, meansQueued0, "false")
	}
	if n, seen := d.number("max_inflight_messages", 20); n == 1 {
		d.advise(Note, "max_inflight_messages", seen, meansInflight, "20")
	}
}

// since reports whether the broker is of the version or a later one; one whose version is not known
// is not.
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

// examineListeners examines what a broker may do to clients and their topics where they come in.
func (d *doctor) examineListeners() {
	if on, seen := d.flag("use_username_as_clientid", false); on {
		d.advise(Fail, "use_username_as_clientid", seen, meansOneClientID, "false")
	}
	if n, seen := d.number("message_size_limit", 0); n > 0 {
		d.add(finding{
			level: Warn, check: "message_size_limit",
			seen:  seen,
			means: meansSizeLimit,
			set:   d.line("message_size_limit", "max_packet_size 1000000") + ", which ends the publisher's connection",
		})
	}
	if l, ok := d.file.setting("mount_point"); ok {
		d.add(finding{level: Note, check: "mount_point", seen: l.String(), means: meansMountPoint})
	}
}

// examineRest examines what does not lose messages and may surprise all the same.
func (d *doctor) examineRest() {
	for _, name := range []string{"allow_anonymous", "listener_allow_anonymous"} { // the second since 2.1
		if on, seen := d.flag(name, false); on {
			d.add(finding{
				level: Warn, check: "allow_anonymous",
				seen:  seen,
				means: meansAnybody,
				set:   d.line(name, name+" false") + ", with password_file and acl_file",
			})
		}
	}
	if l, ok := d.file.setting("memory_limit"); ok && l.value != "0" {
		d.add(finding{level: Warn, check: "memory_limit", seen: l.String(), means: meansMemory, set: setMemory})
	}
	if on, seen := d.flag("set_tcp_nodelay", false); !on {
		d.advise(Note, "set_tcp_nodelay", seen, meansNagle, "true")
	}
}
