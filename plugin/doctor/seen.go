package doctor

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// reportBridge says what the retained status tells about the bridge.
func (d *doctor) reportBridge(v *view) {
	const check = "bridge"
	if !d.cfg.Settings.Broker.Status {
		return
	}
	status := v.base + "/state"
	var said struct {
		State       string `json:"state"`
		Config      string `json:"config"`
		ReloadError string `json:"reload_error"`
	}
	err := json.Unmarshal(v.state, &said)
	switch {
	case len(v.state) == 0:
		d.add(finding{level: Note, check: check, seen: "no status at " + status, means: meansNoStatus})
	case err != nil || said.State != "online" && said.State != "offline":
		d.add(finding{
			level: Fail, check: check,
			seen:  fmt.Sprintf("the message retained at %s is not a bridge's status: %.60q", status, v.state),
			means: meansStranger,
			set:   d.locations.of("broker.base_topic"),
		})
	case said.State == "offline":
		d.add(finding{level: Note, check: check, seen: "not running: its status is offline", means: meansOffline})
	case said.Config != d.cfg.Settings.Hash:
		d.add(finding{
			level: Warn, check: check,
			seen:  fmt.Sprintf("one is running, with configuration %s; this one is %s", said.Config, d.cfg.Settings.Hash),
			means: meansOther,
			set:   "one broker.base_topic and one broker.client_id for each bridge: " + d.locations.of("broker.base_topic"),
		})
	default:
		d.ok(check, "running, with this configuration; its session was left alone")
	}
	if said.ReloadError != "" {
		d.add(finding{
			level: Warn, check: "reload",
			seen:  "the running bridge could not load its configuration: " + said.ReloadError,
			means: meansOldConfig,
		})
	}
	if v.changes > 1 {
		d.add(finding{
			level: Fail, check: "client_id",
			seen:  fmt.Sprintf("the bridge's status changed %s while it was watched", count(v.changes, "time")),
			means: fmt.Sprintf(meansUnstable, d.cfg.Settings.Broker.ClientID),
			set:   d.locations.of("broker.client_id"),
		})
	}
}

// reportFilter says what came through a topic filter.
func (d *doctor) reportFilter(f *filterView) {
	const check = "filter"
	line := d.aclLine("topic read " + f.Topic)
	verdict := d.acl.read(f.Topic)
	switch {
	case !f.granted: // was said
	case f.retained+f.live > 0:
		d.ok(check, "%s: granted, and it can be read: %s retained, %d live in %s", f.Topic, count(f.retained, "message"), f.live, d.cfg.Listen)
	case verdict.known && verdict.whole:
		d.ok(check, "%s: granted, and %s allows reading it; nothing came in %s", f.Topic, verdict.where, d.cfg.Listen)
	case verdict.known && verdict.part:
		d.add(finding{
			level: Warn, check: check,
			seen:  fmt.Sprintf("%s: granted, but %s allows reading only a part of it", f.Topic, verdict.where),
			means: meansPartHidden,
			set:   line,
		})
	case verdict.known:
		d.add(finding{
			level: Fail, check: check,
			seen:  fmt.Sprintf("%s: granted, but %s does not allow reading it", f.Topic, verdict.where),
			means: meansAllHidden,
			set:   line,
		})
	default:
		d.add(finding{
			level: Warn, check: check,
			seen:  fmt.Sprintf("%s: granted, and nothing came in %s", f.Topic, d.cfg.Listen),
			means: meansSilent,
			set:   setSilent,
		})
	}
}

// reportRules says what the rules made of what came, where that may surprise.
func (d *doctor) reportRules(v *view) {
	for _, info := range v.mapper.Rules() {
		r := v.rules[info.Name]
		at := fmt.Sprintf("%s:%d", info.File, info.Line)
		if r.skipped > 0 {
			d.add(finding{
				level: Note, check: "retained",
				seen:  fmt.Sprintf("rule %q skips %s", info.Name, count(r.skipped, "retained message")),
				means: meansSkipped,
				set:   at + ": retained: deliver",
			})
		}
		if r.rejected > 0 {
			d.add(finding{
				level: Warn, check: "rejected",
				seen:  fmt.Sprintf("rule %q cannot map %d of %s", info.Name, r.rejected, count(r.events, "event")),
				means: "they go to " + v.base + "/dead-letter/" + info.Name,
				set:   at + ": mqtt-stomp-bridge try --listen shows why",
			})
		}
	}
}

// figure returns the first of the $SYS topics that has come; versions name them differently.
func (v *view) figure(topics ...string) (string, bool) {
	for _, t := range topics {
		if value, ok := v.figures["$SYS/broker/"+t]; ok {
			return value, true
		}
	}
	return "", false
}

func (v *view) quantity(topics ...string) float64 {
	value, _ := v.figure(topics...)
	n, _ := strconv.ParseFloat(value, 64) // nothing, or no number: 0
	return n
}

// reportFigures reports what the broker says of itself in $SYS.
func (d *doctor) reportFigures(v *view) {
	if len(v.figures) == 0 {
		d.add(finding{
			level: Note, check: "sys",
			seen:  "$SYS cannot be read",
			means: meansNoSys,
			set:   d.aclLine("topic read $SYS/broker/#"),
		})
		return
	}
	version, _ := v.figure("version")
	d.version = strings.TrimPrefix(version, "mosquitto version ")
	seen := []string{"version " + d.version}
	for _, f := range []struct {
		name   string
		topics []string
	}{
		{"clients connected", []string{"clients/connected", "clients/active"}},
		{"sessions away", []string{"clients/disconnected", "clients/inactive"}},
		{"retained", []string{"retained messages/count"}},
		{"messages stored", []string{"store/messages/count", "messages/stored"}},
		{"bytes stored", []string{"store/messages/bytes"}},
		{"packets waiting to be sent", []string{"packet/out/count"}}, // 2.1
		{"bytes of heap", []string{"heap/current", "heap/current size"}},
	} {
		if value, ok := v.figure(f.topics...); ok {
			seen = append(seen, f.name+" "+value)
		}
	}
	d.ok("sys", "%s", strings.Join(seen, ", "))
	d.reportDropped(v)
}

func (d *doctor) reportDropped(v *view) {
	dropped, recently := v.quantity("publish/messages/dropped"), v.quantity("load/publish/dropped/5min")
	if dropped == 0 {
		return
	}
	level, when := Warn, "none in the last minutes"
	if recently >= 0.01 {
		level, when = Fail, fmt.Sprintf("%.2f a minute in the last five", recently)
	}
	d.add(finding{
		level: level, check: "dropped",
		seen:  fmt.Sprintf("the broker has dropped %.0f messages since its start, %s", dropped, when),
		means: meansDropped,
		set:   d.line("max_queued_messages", "max_queued_messages 1000000"),
	})
}
