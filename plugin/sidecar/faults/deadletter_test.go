package faults_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// anyRules reject every event, of whatever topic the rule has, that is not the word good.
const anyRules = `
rules:
  - name: message
    topic: %q
    payload: text
    queue: /queue/channel/connected
    fields: {id: '=uuid("channel", mqtt.topic)', name: '=payload == "good" ? payload : nil', source: test, source_channel_id: x}
`

// Bridges at one broker, whose rules match each other's dead letters, make one letter each of a bad
// event, and not one of every letter for ever.
func TestBridgesDoNotMapEachOthersDeadLetters(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	const bad = 50
	for _, tt := range []struct {
		topic   string
		bridges int
		states  int // of the other bridges, which a rule for everything may reject too
	}{
		{"{tenant}/{conversation}/message", 2, 0},
		{"{tenant}/{conversation}/message", 3, 0},
		{"#", 3, 10},
	} {
		t.Run(fmt.Sprintf("%s at %d", tt.topic, tt.bridges), func(t *testing.T) {
			broker := mosquittotest.Start(t, mosquittotest.Options{})
			var bridges []*bridge
			for i := range tt.bridges {
				b := newBridge(t, broker.Addr, "", fmt.Sprint("BRIDGE_BROKER_BASE_TOPIC=base-", i), fmt.Sprint("BRIDGE_BROKER_CLIENT_ID=bridge-", i))
				if err := os.WriteFile(b.config, fmt.Appendf(nil, anyRules, tt.topic), 0o600); err != nil {
					t.Fatal(err)
				}
				b.start()
				b.process.WaitReady()
				bridges = append(bridges, b)
			}
			for n := 1; n <= bad; n++ {
				publish(t, broker.Addr, "app/a/message", "bad")
			}
			others := bad * (tt.bridges - 1)
			for _, b := range bridges {
				bridgetest.Eventually(t, "the others' dead letters", func() bool { return b.figure("dead_letters_received_total") >= others })
			}
			// What a bridge makes of a letter is with the broker before this event.
			publish(t, broker.Addr, "app/a/message", "good")
			for i, b := range bridges {
				bridgetest.Eventually(t, "the last event", func() bool { return b.figure(`rule_outcomes_total{outcome="mapped",rule="message"}`) > 0 })
				published, received := b.figure(`dead_letters_total{outcome="published"}`), b.figure("dead_letters_received_total")
				if published < bad || published > bad+tt.states || received < others || received > others+tt.states*(tt.bridges-1) {
					t.Errorf("bridge %d has published %d dead letters and received %d", i, published, received)
				}
			}
		})
	}
}

// Two brokers that are connected by MQTT 3.1.1 exchange the dead letters of the bridges beside them
// without the properties that mark them. That must end too.
func TestDeadLettersBetweenBrokersEnd(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	const bad = 50
	first := mosquittotest.Start(t, mosquittotest.Options{})
	second := mosquittotest.Start(t, mosquittotest.Options{Config: []string{
		"connection pair", "address " + first.Addr, "topic # both 1", "bridge_protocol_version mqttv311",
	}})
	var bridges []*bridge
	for i, broker := range []string{first.Addr, second.Addr} {
		b := newBridge(t, broker, "", fmt.Sprint("BRIDGE_BROKER_BASE_TOPIC=base-", i), fmt.Sprint("BRIDGE_BROKER_CLIENT_ID=bridge-", i))
		if err := os.WriteFile(b.config, fmt.Appendf(nil, anyRules, "{tenant}/{conversation}/message"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.start()
		b.process.WaitReady()
		bridges = append(bridges, b)
	}
	mapped := func(b *bridge) int { return b.figure(`rule_outcomes_total{outcome="mapped",rule="message"}`) }
	bridgetest.Eventually(t, "the brokers to be connected", func() bool {
		publish(t, first.Addr, "app/a/message", "good")
		return mapped(bridges[1]) > 0
	})
	for n := 1; n <= bad; n++ {
		publish(t, first.Addr, "app/a/message", fmt.Sprint("bad ", n))
	}
	const others = bad // letters of the other bridge, which may come before the own one is made: then there is one more
	for _, b := range bridges {
		bridgetest.Eventually(t, "the other's dead letters", func() bool {
			return b.figure(`rule_outcomes_total{outcome="rejected",rule="message"}`) >= bad+others
		})
	}
	for round := 1; round <= 3; round++ { // what a bridge makes of a letter is with the brokers before the next event
		before := mapped(bridges[0])
		publish(t, second.Addr, "app/a/message", "good")
		bridgetest.Eventually(t, "the last event", func() bool { return mapped(bridges[0]) > before })
	}
	for i, b := range bridges {
		if n := b.figure(`dead_letters_total{outcome="published"}`); n < bad || n > bad+others {
			t.Errorf("bridge %d has published %d dead letters for %d events", i, n, bad)
		}
	}
}

// figure returns a sample of /metrics, 0 where it is not there yet.
func (b *bridge) figure(series string) int {
	m := regexp.MustCompile(`(?m)^mqtt_stomp_bridge_` + regexp.QuoteMeta(series) + ` (\d+)$`).FindStringSubmatch(bridgetest.Metrics(b.ops))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func publish(t *testing.T, addr, topic, payload string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	if out, err := exec.Command("mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-t", topic, "-m", payload).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, out)
	}
}
