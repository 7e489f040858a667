package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// doctorRules are the topics of the shipped acl.
const doctorRules = `
journal: {dir: journal}
rules:
  - name: chat
    topic: chat/{source}/{id}/message
    queue: /queue/channel/connected
    fields: {id: =topic.id, name: test, source: =topic.source, source_channel_id: test}
  - name: state
    topic: channels/{source}/{id}/state
    retained: deliver
    queue: /queue/channel/connected
    fields: {id: =topic.id, name: test, source: =topic.source, source_channel_id: test}
`

// An aclHiding lets the bridge write everywhere and read its own topics only.
const aclHiding = `user mqtt-stomp-bridge
topic write chat/#
topic read channels/zigbee2mqtt/#
topic readwrite mqtt-stomp-bridge/#
`

// changing are the parts of what doctor says that are others each time.
var changing = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(/tmp|/var)\S*?/(mosquitto\.conf|acl|config\.yaml)`), "DIR/$2"},
	{regexp.MustCompile(`doctor/[A-Z2-7]{26}`), "doctor/ID"},
	{regexp.MustCompile(`came back after \S+`), "came back after TIME"},
	{regexp.MustCompile(`version (\S+), clients connected .*`), "version VERSION, FIGURES"},
	{regexp.MustCompile(`configuration [0-9a-f]{8,}; this one is [0-9a-f]{8,}`), "configuration HASH; this one is HASH"},
}

// doctor runs the command and returns what it says, with what changes replaced, and its exit code.
func (r *running) doctor(args ...string) (string, int) {
	r.t.Helper()
	code, stdout, stderr := r.command(append([]string{"doctor", "--listen", "200ms"}, args...)...)
	out := stdout + stderr
	for _, c := range changing {
		out = c.pattern.ReplaceAllString(out, c.instead)
	}
	return out, code
}

// startAdvised starts a Mosquitto with mosquitto.conf and acl as they are shipped, its paths and
// port apart.
func startAdvised(t *testing.T) *mosquittotest.Broker {
	t.Helper()
	const dir = "../../mosquitto/"
	var own []string
	for line := range strings.Lines(readText(t, dir+"mosquitto.conf")) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		ours := []string{"listener", "allow_anonymous", "password_file", "acl_file", "persistence_location", "log_dest"}
		if name != "" && name != "#" && !slices.Contains(ours, name) {
			own = append(own, strings.TrimSpace(line))
		}
	}
	return mosquittotest.Start(t, mosquittotest.Options{Config: own, Users: doctorUsers, ACL: readText(t, dir+"acl")})
}

var doctorUsers = map[string]string{"mqtt-stomp-bridge": "password of the bridge", "backend": "password of the backend"}

func readText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// of20 puts the limit of Mosquitto 2.0 where 2.1 has one of its own: both are too large.
var of20 = strings.NewReplacer("Packet Size 2000000", "Packet Size none", "packets of 2000000 bytes", "packets of any size")

// TestDoctor holds what doctor says to brokers of each kind against testdata/doctor/NAME.txt.
func TestDoctor(t *testing.T) {
	stock := mosquittotest.Start(t, mosquittotest.Options{})
	hiding := mosquittotest.Start(t, mosquittotest.Options{Users: doctorUsers, ACL: aclHiding})
	advised := startAdvised(t)
	login := []string{"BRIDGE_BROKER_USERNAME=mqtt-stomp-bridge", "BRIDGE_BROKER_PASSWORD=password of the bridge"}
	tests := []struct {
		name    string
		broker  *mosquittotest.Broker
		environ []string
		args    []string
		conf    string // --mosquitto-conf; "": not given
	}{
		{name: "stock", broker: stock, conf: stock.Path("mosquitto.conf")},
		{name: "stock-from-outside", broker: stock},
		{name: "stock-measured", broker: stock, args: []string{"--away", "1100", "--publish", "chat/whatsapp/42/message"}},
		{name: "hiding", broker: hiding, environ: login, conf: hiding.Path("mosquitto.conf")},
		{name: "hiding-from-outside", broker: hiding, environ: login},
		{name: "hiding-published", broker: hiding, environ: login, args: []string{"--publish", "chat/whatsapp/42/message"}},
		{name: "advised", broker: advised, environ: login, conf: "../../mosquitto/mosquitto.conf"},
		{name: "advised-published", broker: advised, environ: login, args: []string{"--away", "1100", "--publish", "chat/whatsapp/42/message"}, conf: advised.Path("mosquitto.conf")},
		{name: "no-user", broker: advised},
		{name: "wrong-password", broker: advised, environ: []string{login[0], "BRIDGE_BROKER_PASSWORD=wrong"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := prepareSidecar(t, doctorRules, append(test.environ, "BRIDGE_BROKER_URL=mqtt://"+test.broker.Addr)...)
			if test.conf != "" {
				test.args = append(test.args, "--mosquitto-conf", test.conf)
			}
			out, code := r.doctor(test.args...)
			got := fmt.Sprintf("%s==== exit code %d\n", of20.Replace(out), code)
			golden := filepath.Join("testdata/doctor", test.name+".txt")
			if *update {
				write(t, golden, got)
				return
			}
			if diff := cmp.Diff(readText(t, golden), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Doctor takes nothing from the bridge's session, and leaves none of its own.
func TestDoctorDisturbsNothing(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := startAdvised(t)
	r := startSidecar(t, doctorRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_BROKER_USERNAME=mqtt-stomp-bridge", "BRIDGE_BROKER_PASSWORD=password of the bridge")
	if out, code := r.doctor("--away", "10"); code != exitOK || !strings.Contains(out, "ok    bridge: running, with this configuration") {
		t.Errorf("while the bridge runs: code %d\n%s", code, out)
	}
	if n := strings.Count(r.log.String(), "connected to the broker"); n != 2 {
		t.Errorf("the bridge has connected %d times, want twice: once to receive, once to send", n)
	}
	r.stop()
	const id = "8b4a5e2c-3f0e-4a57-9f2e-0d8a3c1b7e11" // a channel
	publish(t, broker.Addr, "-u", "backend", "-P", doctorUsers["backend"], "-t", "chat/whatsapp/"+id+"/message", "-m", "{}")
	if out, code := r.doctor(); code != exitOK || !strings.Contains(out, "note  bridge: not running") {
		t.Errorf("while the bridge is away: code %d\n%s", code, out)
	}
	r.start()
	r.waitReady()
	if code, stdout, stderr := r.command("listen", "-u", "grace", "-q", "/queue/channel/connected", "--snapshot", "-C", "1", "-W", "20"); code != exitOK || !strings.Contains(stdout, id) {
		t.Errorf("the event that waited: code %d, %s%s", code, stdout, stderr)
	}
	broker.Stop()
	store := readText(t, broker.Path("mosquitto.db"))
	if !strings.Contains(store, "chat/+/+/message") || strings.Contains(store, "-doctor-") {
		t.Errorf("the broker's store has the bridge's subscription: %v, want true; a session of the doctor's: %v, want false",
			strings.Contains(store, "chat/+/+/message"), strings.Contains(store, "-doctor-"))
	}
}

// What the broker has dropped is seen in $SYS.
func TestDoctorSeesDropped(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{Config: []string{"sys_interval 1", "max_queued_messages 10"}})
	r := prepareSidecar(t, doctorRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	if out, _ := r.doctor("--away", "100"); !strings.Contains(out, "fail  away: 10 of 100 messages of 500 bytes waited for a session that was away") {
		t.Errorf("a queue of 10:\n%s", out)
	}
	bridgetest.Eventually(t, "doctor to see what was dropped", func() bool {
		out, code := r.doctor()
		return code == exitFailure && strings.Contains(out, "fail  dropped: the broker has dropped 90 messages since its start")
	})
}
