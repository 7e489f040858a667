package doctor

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// reportBridge says what the retained status tells of the bridge.
func (v *view) reportBridge() {
	topic := v.Settings.Broker.BaseTopic + "/state"
	var status struct {
		State       string `json:"state"`
		Config      string `json:"config"`
		ReloadError string `json:"reload_error"`
	}
	err := json.Unmarshal(v.state, &status)
	switch {
	case len(v.state) == 0:
		v.add(finding{Note, "bridge", "no status at " + topic, "no bridge has run here yet, or the status cannot be read", ""})
	case err != nil || status.State != "online" && status.State != "offline":
		v.add(finding{Fail, "bridge", fmt.Sprintf("what is retained at %s is no status of a bridge: %.60q", topic, v.state),
			"somebody else publishes there", v.places.of("broker.base_topic")})
	case status.State == "offline":
		v.add(finding{Note, "bridge", "not running: its status is offline",
			"what comes meanwhile waits at the broker, within its limits, if the bridge has been connected within session_expiry", ""})
	case status.Config != v.Settings.Hash:
		v.add(finding{Warn, "bridge", fmt.Sprintf("one is running, with configuration %s; this one is %s", status.Config, v.Settings.Hash),
			"it has other variables or an older file than this one; or it is another bridge with the same base_topic, and the two overwrite each other's status",
			"one broker.base_topic and one broker.client_id for each bridge: " + v.places.of("broker.base_topic")})
	default:
		v.ok("bridge", "running, with this configuration; its session was left alone")
	}
	if status.ReloadError != "" {
		v.add(finding{Warn, "reload", "the running bridge could not load its configuration: " + status.ReloadError, "it goes on with the one before", ""})
	}
	if v.changes > 1 {
		v.add(finding{Fail, "client_id", fmt.Sprintf("the bridge's status changed %s while it was watched", count(v.changes, "time")),
			fmt.Sprintf("its connection does not last: another client has the client id %q, or the broker ends it", v.Settings.Broker.ClientID), v.places.of("broker.client_id")})
	}
}

// reportFilter says what came through a topic filter.
func (v *view) reportFilter(f *filterView) {
	if !f.granted {
		return // was said
	}
	const check = "filter"
	if f.retained+f.live > 0 {
		v.ok(check, "%s: granted, and it can be read: %s retained, %d live in %s", f.Topic, count(f.retained, "message"), f.live, v.Listen)
		return
	}
	verdict := v.acl.read(f.Topic)
	switch {
	case verdict.known && verdict.whole:
		v.ok(check, "%s: granted, and %s lets it be read; nothing came in %s", f.Topic, verdict.where, v.Listen)
	case verdict.known && verdict.part:
		v.add(finding{Warn, check, fmt.Sprintf("%s: granted, but %s lets only a part of it be read", f.Topic, verdict.where),
			"other events of the rules never reach the bridge, and nothing says so", v.aclLine("topic read " + f.Topic)})
	case verdict.known:
		v.add(finding{Fail, check, fmt.Sprintf("%s: granted, but %s does not let it be read", f.Topic, verdict.where),
			"no event reaches the bridge, and nothing says so: an acl_file grants every SUBSCRIBE", v.aclLine("topic read " + f.Topic)})
	default:
		v.add(finding{Warn, check, fmt.Sprintf("%s: granted, and nothing came in %s", f.Topic, v.Listen),
			"there was no event, or an ACL hides the topic, which looks the same: an acl_file grants every SUBSCRIBE",
			"nothing yet; to tell the two apart: publish as your backend does during doctor --listen 60s, or doctor --publish TOPIC, or --mosquitto-conf FILE, whose acl_file is read"})
	}
}

// reportRules says what the rules made of what came, where that may surprise.
func (v *view) reportRules() {
	for _, info := range v.Settings.Mapper.Rules() {
		r := v.rules[info.Name]
		place := fmt.Sprintf("%s:%d", info.File, info.Line)
		if r.skipped > 0 {
			v.add(finding{Note, "retained", fmt.Sprintf("rule %q passes over %s", info.Name, count(r.skipped, "retained message")),
				"right for events; where they are states, clients do not get the present ones after a start", place + ": retained: deliver"})
		}
		if r.rejected > 0 {
			v.add(finding{Warn, "rejected", fmt.Sprintf("rule %q cannot map %d of the %s that came", info.Name, r.rejected, count(r.events, "event")),
				"they go to " + v.Settings.Broker.BaseTopic + "/dead-letter/" + info.Name, place + ": see why with mqtt-stomp-bridge try --listen"})
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

// reportFigures says what the broker tells of itself in $SYS.
func (v *view) reportFigures() {
	if len(v.figures) == 0 {
		v.add(finding{Note, "sys", "nothing of $SYS can be read",
			"whether the broker has dropped messages cannot be seen: an ACL hides it, sys_interval is 0, or it is another broker", v.aclLine("topic read $SYS/broker/#")})
		return
	}
	version, _ := v.figure("version")
	v.version = strings.TrimPrefix(version, "mosquitto version ")
	seen := []string{"version " + v.version}
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
	v.ok("sys", "%s", strings.Join(seen, ", "))
	v.reportDropped()
}

func (v *view) reportDropped() {
	dropped, recently := v.quantity("publish/messages/dropped"), v.quantity("load/publish/dropped/5min")
	if dropped == 0 {
		return
	}
	level, when := Warn, "none in the last minutes"
	if recently >= 0.01 {
		level, when = Fail, fmt.Sprintf("%.2f a minute in the last five", recently)
	}
	v.add(finding{level, "dropped", fmt.Sprintf("the broker has dropped %.0f messages since its start, %s", dropped, when),
		"a client was away or slow and its queue was full; $SYS does not say which client, it may be the bridge", v.line("max_queued_messages", "max_queued_messages 1000000")})
}
