package bridge_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/explain"
	"mqtt-stomp-bridge/bridge/journal/jetstream/natstest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// Of replicas, the one that has read an event knows its rules; the other knows the message, and whom
// to ask.
func TestExplainOfReplicas(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	servers := natstest.Start(t, natstest.Distributed(t), natstest.Options{})
	first := startReplica(t, "first", broker, servers)
	bridgetest.Eventually(t, "the first to lead", func() bool { return first.Standing().Leads && len(first.Troubles()) == 0 })
	second := startReplica(t, "second", broker, servers)
	replicas := []*replica{first, second}
	for _, r := range replicas {
		bridgetest.Eventually(t, "both to know of each other", func() bool { return len(r.Standing().Replicas) == 2 })
	}
	publish := exec.Command(mosquittotest.Look(t, "mosquitto_pub"), "-q", "1", "-t", "n", "-m", "7", "-h", "127.0.0.1", "-p", broker.URL("mqtt").Port())
	if out, err := publish.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ask := func(r *replica, q explain.Query) explain.Answer {
		t.Helper()
		a, err := r.Explain(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	bridgetest.Eventually(t, "the first to know the event", func() bool { return len(ask(first, explain.Query{Topic: "n"}).Events) == 1 })
	bridgetest.Eventually(t, "the second to follow", func() bool { return len(second.followed()) == 1 })

	a := ask(first, explain.Query{Topic: "n", Since: time.Now()})
	if note := strings.Join(a.Notes, "\n"); a.Replica != "first" ||
		!strings.Contains(note, "this is what replica first knows: the events that it has read from the broker, and its own sessions; for other sessions ask second") {
		t.Errorf("the first: %+v", a)
	}
	id := ask(first, explain.Query{Topic: "n"}).Events[0].Outcomes[0].MessageID
	a = ask(second, explain.Query{MessageID: id})
	if len(a.Events) != 1 || a.Events[0].Topic != "" || a.Events[0].Outcomes[0].MessageID != id {
		t.Errorf("the second on %s: %+v", id, a.Events)
	}
	if note := strings.Join(a.Notes, "\n"); a.Replica != "second" || !strings.HasSuffix(note, "for other sessions ask first; first reads from the broker now") {
		t.Errorf("the second: %q", note)
	}

	if events := ask(first, explain.Query{Number: 1}).Events; len(events) != 1 || events[0].Number != 1 || events[0].Outcomes[0].MessageID != id {
		t.Errorf("the first on event 1: %+v", events)
	}
	if events, newest, _ := first.Events(0, 10, nil); len(events) != 1 || newest != 1 || events[0].Topic != "n" {
		t.Errorf("the first has read %+v, the newest is %d", events, newest)
	}
	if events, newest, _ := second.Events(0, 10, nil); len(events) != 0 || newest != 0 {
		t.Errorf("the second has read %+v, the newest is %d", events, newest)
	}
	for _, r := range replicas {
		r.end()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	}
}
