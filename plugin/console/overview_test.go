package console_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/commit"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/mapping/memory"
	"mqtt-stomp-bridge/plugin/console"
)

// ruleNumbered is a rule with a topic of its own.
func ruleNumbered(i int) string {
	return strings.NewReplacer("name: message", fmt.Sprintf("name: rule %02d", i), "chat/", fmt.Sprintf("chat%02d/", i)).Replace(messageRule)
}

// Of many rules the busiest are drawn, in their order, and one box stands for the rest.
func TestManyRules(t *testing.T) {
	var rules strings.Builder
	counts := map[string]commit.RuleCounts{}
	for i := range 30 {
		rules.WriteString(ruleNumbered(i))
		counts[fmt.Sprintf("rule %02d", i)] = commit.RuleCounts{Mapped: int64(i * 1000), Rejected: 1}
	}
	f := newFake(t, rules.String())
	f.counts.Rules = counts
	f.counts.Queues = map[string]hub.Counts{"/queue/unread-count": {}, "/queue/message": {}}
	h := console.Handler(f, console.Options{})

	drawing := func(target string) string {
		_, after, _ := strings.Cut(ask(h, "GET", target).Body.String(), "<svg")
		before, _, _ := strings.Cut(after, "</svg>")
		return before
	}
	few := drawing("/console/")
	holds(t, few, "<title>rule 24</title>", "<title>rule 29</title>", "<title>chat29/&#43;/&#43;/message</title>", ">and 24 more<", "276k", "24,000", "<title>/queue/unread-count</title>",
		"not", "rule 23", "chat23/", "/queue/message") // which no rule sends to
	if n := strings.Count(few, `class="box topic"`); n != 6 {
		t.Errorf("%d topics are drawn, want 6", n)
	}
	all := drawing("/console/?rules=all")
	holds(t, all, "<title>rule 00</title>", "<title>rule 29</title>", "not", "and 24 more")
	if n := strings.Count(all, `class="box rule"`); n != 30 {
		t.Errorf("%d rules are drawn, want 30", n)
	}
	holds(t, ask(h, "GET", "/console/").Body.String(), `href="?rules=all#way"`, "rule=rule&#43;00", "not", "Only the busiest")
}

// What one looks for when something is wrong.
func TestOverviewInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, messageRule)
		f.ready = []bridge.Reason{{Text: "mqtt: connection refused"}}
		f.counts.DeadLetters.Published = 9
		f.counts.Journal = bridge.JournalCounts{First: 3, Last: 1900, Bytes: 1 << 20, Limit: 1 << 30}
		f.counts.Replica = &journal.Standing{ID: "a", Leader: "b", Conflict: errors.New("their ids differ"), Away: errors.New("no server"), Replicas: []journal.Replica{
			{ID: "a", Position: 1800, Config: "c1", Version: "1.2", Sessions: 3}, {ID: "b", Leads: true, Position: 1900}}}
		f.letters = []commit.DeadLetter{{Number: 5, Time: time.Now(), Topic: "chat/x", Rule: "message", Stage: "fields", Field: "id", Reason: "no value", Place: "rules.yaml:3"}}
		h := console.Handler(f, console.Options{
			Payloads: func() bool { return true },
			Standing: func() console.Standing {
				return console.Standing{Version: "1.2", Hash: "c1", Since: time.Now(), Files: []string{"config.yaml"}, Error: "config.yaml:7: no such rule", ErrorAt: time.Now()}
			},
		})
		holds(t, ask(h, "GET", "/console/").Body.String(), "mqtt: connection refused", "Not ready", "config.yaml:7: no such rule", "3 to 1,900", "1 MiB of 1 GiB",
			"their ids differ", "no server", "reads from the broker", "1,800", "fields id: no value", "rules.yaml:3", `href="events?number=5"`, "The newest 1 of 9",
			"It is known to b, which reads from the broker", "another one", ">100\n", "b reads from the broker and maps the events")
	})
}

// Before anything has happened the page says what will appear.
func TestEmptyOverview(t *testing.T) {
	f := newFake(t, "")
	f.memory = memory.New()
	f.counts.Journal.First = 1
	holds(t, ask(console.Handler(f, console.Options{}), "GET", "/console/").Body.String(), "There are no rules", "No event has been rejected", "none yet", "The rules have no memory",
		"not", "<svg", "Replicas")
}
