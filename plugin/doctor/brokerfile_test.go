package doctor_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/plugin/doctor"
)

func TestBrokerFile(t *testing.T) {
	const conf = "mosquitto.conf"
	const good = "persistence true\npersistence_location /data/\nautosave_interval 1\nmax_queued_messages 1000000\n"
	tests := []struct {
		name  string
		files map[string]string // beside mosquitto.conf
		want  []string
	}{
		{"empty", map[string]string{conf: ""}, []string{
			"fail  max_queued_messages: BROKER/mosquitto.conf: max_queued_messages is not set, so it is 1000", "BROKER/mosquitto.conf, a new line: max_queued_messages 1000000",
			"fail  persistence: BROKER/mosquitto.conf: persistence is not set, so it is false", "note  set_tcp_nodelay", "!autosave"}},
		{"good", map[string]string{conf: good}, []string{"ok    persistence: BROKER/mosquitto.conf:1: persistence true", "ok    autosave_interval: ", "ok    max_queued_messages: "}},
		{"comments, spaces and Windows", map[string]string{conf: "# max_queued_messages 5\r\n\r\nmax_queued_messages   200000 \r\n"}, []string{"ok    max_queued_messages: BROKER/mosquitto.conf:3: max_queued_messages 200000\n"}},
		{"indented", map[string]string{conf: "listener 1883\n  max_queued_messages 200000"}, []string{"ok    max_queued_messages: BROKER/mosquitto.conf:2: max_queued_messages 200000\n"}},
		{"the last one counts", map[string]string{conf: "max_queued_messages 5\nmax_queued_messages 200000"}, []string{"ok    max_queued_messages: BROKER/mosquitto.conf:2: "}},
		{"few", map[string]string{conf: "max_queued_messages 5000"}, []string{"warn  max_queued_messages: "}},
		{"no limit", map[string]string{conf: "max_queued_messages 0"}, []string{"fail  max_queued_messages: BROKER/mosquitto.conf:1: max_queued_messages 0", "before 2.0.22", "BROKER/mosquitto.conf:1: max_queued_messages 1000000"}},
		{"bytes", map[string]string{conf: good + "max_queued_bytes 100000"}, []string{"warn  max_queued_bytes: BROKER/mosquitto.conf:5: max_queued_bytes 100000", "some 200 events"}},
		{"QoS 0", map[string]string{conf: "queue_qos0_messages true"}, []string{"note  queue_qos0_messages: "}},
		{"one at a time", map[string]string{conf: "max_inflight_messages 1"}, []string{"note  max_inflight_messages: "}},
		{"autosave by default", map[string]string{conf: "persistence true"}, []string{"warn  autosave_interval: BROKER/mosquitto.conf: autosave_interval is not set, so it is 1800", "in the last 30m0s", "warn  persistence_location: "}},
		{"autosave never", map[string]string{conf: "persistence true\nautosave_interval 0"}, []string{"warn  autosave_interval: BROKER/mosquitto.conf:2: "}},
		{"autosave by changes", map[string]string{conf: "persistence true\nautosave_interval 100\nautosave_on_changes true"}, []string{"ok    autosave_interval: BROKER/mosquitto.conf:2: autosave_interval 100, counted in changes"}},
		{"SQLite", map[string]string{conf: "persistence_location /data/\nglobal_plugin /usr/lib/mosquitto_persist_sqlite.so\nplugin_opt_flush_period 0"},
			[]string{"ok    persistence: BROKER/mosquitto.conf:2: global_plugin", "ok    plugin_opt_flush_period: BROKER/mosquitto.conf:3: "}},
		{"SQLite by default", map[string]string{conf: "global_plugin /usr/lib/mosquitto_persist_sqlite.so\nplugin_opt_db_file /data/m.db"},
			[]string{"ok    persistence: ", "warn  plugin_opt_flush_period: BROKER/mosquitto.conf: plugin_opt_flush_period is not set, so it is 5", "in the last 5s", "BROKER/mosquitto.conf:1, a new line below it: plugin_opt_flush_period 0"}},
		{"SQLite late", map[string]string{conf: "persistence_location /data/\nglobal_plugin /usr/lib/mosquitto_persist_sqlite.so\nplugin_opt_flush_period 60"},
			[]string{"warn  plugin_opt_flush_period: BROKER/mosquitto.conf:3: plugin_opt_flush_period 60", "in the last 1m0s", "BROKER/mosquitto.conf:3: plugin_opt_flush_period 0"}},
		{"SQLite nowhere", map[string]string{conf: "global_plugin /usr/lib/mosquitto_persist_sqlite.so"}, []string{"fail  persistence: BROKER/mosquitto.conf:1: global_plugin", "no persistence_location", "!flush_period"}},
		{"expires early", map[string]string{conf: "persistent_client_expiration 12h"}, []string{"fail  persistent_client_expiration: BROKER/mosquitto.conf:1: persistent_client_expiration 12h", "the bridge asks for 24h0m0s"}},
		{"expires in months", map[string]string{conf: "persistent_client_expiration 1m"}, []string{"ok    persistent_client_expiration: "}},
		{"expires in seconds, as 2.1 can", map[string]string{conf: "persistent_client_expiration 3600s"}, []string{"fail  persistent_client_expiration: "}},
		{"expires some time", map[string]string{conf: "persistent_client_expiration soon"}, []string{"warn  persistent_client_expiration: "}},
		{"anybody", map[string]string{conf: "allow_anonymous true"}, []string{"warn  allow_anonymous: "}},
		{"anybody, as 2.1 has it", map[string]string{conf: "listener_allow_anonymous true"}, []string{"warn  allow_anonymous: BROKER/mosquitto.conf:1: listener_allow_anonymous true"}},
		{"little memory", map[string]string{conf: "memory_limit 1000000"}, []string{"warn  memory_limit: "}},
		{"one client id for two connections", map[string]string{conf: "use_username_as_clientid true"}, []string{"fail  use_username_as_clientid: BROKER/mosquitto.conf:1: ", "use_username_as_clientid false"}},
		{"payloads dropped", map[string]string{conf: "message_size_limit 1000"}, []string{"warn  message_size_limit: BROKER/mosquitto.conf:1: ", "BROKER/mosquitto.conf:1: max_packet_size 1000000, which"}},
		{"no limit of payloads", map[string]string{conf: "message_size_limit 0"}, []string{"!message_size_limit"}},
		{"topics moved", map[string]string{conf: "listener 1884\nmount_point site/"}, []string{"note  mount_point: BROKER/mosquitto.conf:2: mount_point site/"}},
		{"nodelay", map[string]string{conf: "set_tcp_nodelay true"}, []string{"!set_tcp_nodelay"}},
		{"included, in Mosquitto's order", map[string]string{conf: "max_queued_messages 1\ninclude_dir /mosquitto/config/conf.d\n",
			"conf.d/B.conf": "max_queued_messages 200000", "conf.d/a.conf": "max_queued_messages 2", "conf.d/A.conf": "max_queued_messages 3", "conf.d/c.txt": "max_queued_messages 4"},
			[]string{"ok    max_queued_messages: BROKER/conf.d/B.conf:1: max_queued_messages 200000"}},
		{"not included from there", map[string]string{conf: "include_dir conf.d", "conf.d/a.conf": "include_dir more\n", "more/a.conf": "max_queued_messages 200000"}, []string{"fail  max_queued_messages: "}},
		{"no directory", map[string]string{conf: "include_dir absent"}, []string{"fail  mosquitto-conf: cannot be read: BROKER/mosquitto.conf:1: include_dir: ", "!max_queued_messages"}},
		{"no ACL file", map[string]string{conf: "acl_file /mosquitto/config/acl"}, []string{"warn  acl_file: BROKER/mosquitto.conf:1: cannot be read: "}},
		{"no file", nil, []string{"fail  mosquitto-conf: cannot be read: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				writeFile(t, filepath.Join(dir, name), text)
			}
			out, _ := look{yaml: rules, change: func(c *doctor.Config) { c.MosquittoConf = filepath.Join(dir, conf) }}.run(t)
			holds(t, strings.ReplaceAll(out, dir, "BROKER"), test.want...)
		})
	}
}

// A line of an acl_file that doctor calls a mistake keeps Mosquitto from starting.
func TestACLMistakes(t *testing.T) {
	program := mosquittotest.Look(t, "mosquitto")
	for line, want := range map[string]string{
		"users ann":          `a line begins with user, topic or pattern, not with "users"`,
		"Topic read b":       `a line begins with user, topic or pattern, not with "Topic"`,
		"topic\tread b":      `a line begins with user, topic or pattern, not with "topic\tread"`,
		"topic":              "nothing follows topic",
		"user":               "nothing follows user",
		"topic readonly b/c": `access is read, write, readwrite or deny, not "readonly"`,
		"topic read b/#/c":   `"b/#/c" is not a topic filter`,
		"topic b+":           `"b+" is not a topic filter`,
	} {
		t.Run(line, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "acl"), "user ann\ntopic read a/#\n"+line+"\ntopic read c/#\n")
			writeFile(t, filepath.Join(dir, "mosquitto.conf"), "listener 0 127.0.0.1\nacl_file "+filepath.Join(dir, "acl")+"\n")
			if out, err := exec.Command(program, "-c", filepath.Join(dir, "mosquitto.conf")).CombinedOutput(); err == nil || !strings.Contains(string(out), "opening acl file") {
				t.Errorf("mosquitto: %v\n%s", err, out)
			}
			out, _ := look{yaml: rules, change: func(c *doctor.Config) { c.MosquittoConf = filepath.Join(dir, "mosquitto.conf") }}.run(t)
			holds(t, strings.ReplaceAll(out, dir, "BROKER"), "fail  acl_file: BROKER/acl:3: "+want)
		})
	}
}

// What doctor reads in an acl_file is what Mosquitto makes of it: two retained messages are there
// to be seen.
func TestACLAsMosquittoHasIt(t *testing.T) {
	pub := mosquittotest.Look(t, "mosquitto_pub")
	const writer = "user writer\ntopic readwrite #\n"
	users := map[string]string{"bridge": "secret", "writer": "secret"}
	tests := []struct {
		name string
		acl  string
		seen string // of the two
		want string
	}{
		{"nothing", "", "", "fail  filter: a/+: granted, but BROKER/acl does not allow reading it"},
		{"all", "user bridge\ntopic read a/#\n", "2 messages", "ok    filter: a/+: granted, and BROKER/acl:2 allows reading it"},
		{"exactly", "user bridge\ntopic a/+\n", "2 messages", "ok    filter: a/+: granted, and BROKER/acl:2 allows reading it"},
		{"everything", "user bridge\ntopic readwrite #\n", "2 messages", "ok    filter: "},
		{"a part", "user bridge\ntopic read a/1\n", "1 message", "warn  filter: a/+: granted, but BROKER/acl:2 allows reading only a part of it"},
		{"write only", "user bridge\ntopic write a/#\n", "", "fail  filter: "},
		{"deeper", "user bridge\ntopic read a/+/c\n", "", "fail  filter: "},
		{"for anonymous clients", "topic read a/#\nuser bridge\n", "", "fail  filter: "},
		{"for another", "user bridge\nuser other\ntopic read a/#\n", "", "fail  filter: "},
		{"in two places", "user bridge\ntopic write b\nuser other\nuser bridge\ntopic read a/#\n", "2 messages", "ok    filter: a/+: granted, and BROKER/acl:5 "},
		{"denied after", "user bridge\ntopic read a/#\ntopic deny a/1\n", "1 message", "warn  filter: "},
		{"denied all", "user bridge\ntopic read a/#\ntopic deny #\n", "", "fail  filter: a/+: granted, but BROKER/acl:3 does not"},
		{"pattern with the user", "pattern read %u/#\n", "", "fail  filter: "},
		{"pattern for everybody", "user other\npattern read a/+\n", "2 messages", "ok    filter: a/+: granted, and BROKER/acl:2 "},
		{"comments", "# user bridge\nuser bridge\n#topic read x\ntopic read a/#   \n", "2 messages", "ok    filter: a/+: granted, and BROKER/acl:4 "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			broker := mosquittotest.Start(t, mosquittotest.Options{Users: users, ACL: test.acl + writer})
			host, port, _ := strings.Cut(broker.Addr, ":")
			for _, topic := range []string{"a/1", "a/2"} {
				if out, err := exec.Command(pub, "-h", host, "-p", port, "-u", "writer", "-P", "secret", "-r", "-q", "1", "-t", topic, "-m", "{}").CombinedOutput(); err != nil {
					t.Fatalf("mosquitto_pub: %v: %s", err, out)
				}
			}
			l := look{yaml: rules, url: "mqtt://" + broker.Addr, environ: []string{"BRIDGE_BROKER_USERNAME=bridge", "BRIDGE_BROKER_PASSWORD=secret"}}
			out, _ := l.run(t)
			if test.seen == "" {
				holds(t, out, "warn  filter: a/+: granted, and nothing came")
			} else {
				holds(t, out, "ok    filter: a/+: granted, and it can be read: "+test.seen+" retained")
			}
			// Without the messages the file alone decides.
			for _, topic := range []string{"a/1", "a/2"} {
				exec.Command(pub, "-h", host, "-p", port, "-u", "writer", "-P", "secret", "-r", "-q", "1", "-t", topic, "-n").Run()
			}
			l.change = func(c *doctor.Config) { c.MosquittoConf = broker.Path("mosquitto.conf") }
			out, _ = l.run(t)
			holds(t, strings.ReplaceAll(out, broker.Dir, "BROKER"), test.want)
		})
	}
}
