package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// consoleMemory makes documentRules remember names, so that the pages have a memory to show.
const consoleMemory = `
  - name: who
    topic: app/{user}/name
    remember: {names: {key: =topic.user, value: =payload.name}}
memory: {names: {}}
`

// startConsole starts a bridge, with a client, and returns the address of its console and of its
// broker.
func startConsole(t *testing.T, environ ...string) (s *running, console, broker string) {
	t.Helper()
	mosquittotest.Look(t, "mosquitto_pub")
	broker = mosquittotest.Start(t, mosquittotest.Options{}).Addr
	s = startSidecar(t, documentRules+consoleMemory, append(environ, "BRIDGE_BROKER_URL=mqtt://"+broker)...)
	return s, "http://" + s.ops + "/console/", broker
}

// everyLook looks at the page in both schemes, at the widths of a telephone, a tablet and a desk.
func (b *browser) everyLook(name string) {
	b.t.Helper()
	b.look(name, 360, false)
	b.look(name, 360, true)
	b.look(name, 768, false)
	b.look(name, 1440, true)
}

const hostileMessage = `{"id":"0F0E5B1C-6A0D-4C55-9B3E-2F6F2D1C9A77","content":{"text":"` + `<img src=x onerror=alert(1)>` + `"},"state":"delivered","from":"customer","at":1611741600000}`

// An event is seen to come, and followed to its delivery; what does not match the filter is left out,
// and a pause holds what comes until it is over. Whatever the payload is, it is text.
func TestConsoleEvents(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	s, console, broker := startConsole(t, "BRIDGE_OPS_SHOW_PAYLOADS=true")
	startStompjs(t, s.url(), s.token("grace"), "/queue/message", "/queue/unread-count")
	message, unread := "app/"+channel+"/"+conversation+"/message", "app/"+conversation+"/unread"

	tab.do(order{"open": console + "events"})
	tab.await("#none", "No event has come yet")
	tab.look("console-events-empty", 1440, false)
	publish(t, broker, "-t", message, "-m", hostileMessage)
	tab.await("#list", message)
	tab.await("#list .mapped", "message → /queue/message")
	tab.do(order{"click": "#list a"})
	tab.await("#event .step", "Arrived")
	tab.await("#event .step.mapped", "Message-id")
	tab.await("#event .deliveries", "grace")
	tab.await("#event .fate", "sent")
	tab.await("#event pre", `<img src=x onerror=alert(1)>`)
	tab.do(order{"click": "#event details:not([open]) summary"})
	if images := tab.do(order{"texts": "body img"}); len(images) > 0 {
		t.Errorf("a payload has become elements of the page: %q", images)
	}
	tab.everyLook("console-event")
	tab.do(order{"back": true})
	tab.await("#event", "Choose an event by its time")
	tab.await("#list tr:not([aria-current])", message)

	tab.do(order{"fill": [2]string{"Topic filter", "app/+/unread"}})
	tab.do(order{"press": "Filter"})
	tab.await("#list-title", "Events that match")
	tab.await("#none", "None of the events")
	tab.await("#show-all", "Show all")
	publish(t, broker, "-t", message, "-m", hostileMessage)
	publish(t, broker, "-t", unread, "-m", `{"count":1,"at":1611741600000}`)
	tab.await("#list", unread)
	if diff := cmp.Diff([]string{unread}, tab.do(order{"texts": "#list td > code"})); diff != "" {
		t.Errorf("the topics that match (-want +got):\n%s", diff)
	}

	tab.do(order{"press": "Pause"})
	publish(t, broker, "-t", unread, "-m", `{"count":2,"at":1611741600001}`)
	tab.await("#told", "Paused: 1 new.")
	if n := len(tab.do(order{"texts": "#list tr"})); n != 1 {
		t.Errorf("%d events are listed during the pause, want 1", n)
	}
	tab.do(order{"press": "Go on"})
	tab.await("#list tr + tr", unread)

	tab.do(order{"fill": [2]string{"Topic filter", "app/#/unread"}})
	tab.do(order{"press": "Filter"})
	tab.await("#found [role=alert]", "app/#/unread")
	tab.look("console-events-mistake", 360, false)

	// The same without scripts: a link and two forms.
	tab.do(order{"open": console + "events?on=" + unread + "&user=grace"})
	tab.await("#event .fate", "sent")
	tab.do(order{"open": console + "events?on=" + unread + "&user=nobody"})
	tab.await("#event .notice", "no session of nobody")
	tab.everyLook("console-explain")
}

// The overview shows what comes, what is rejected and why, and follows reloads, without being loaded
// again.
func TestConsoleOverview(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	s, _, broker := startConsole(t, "BRIDGE_OPS_SHOW_PAYLOADS=true")
	startStompjs(t, s.url(), s.token("grace"), "/queue/message")
	tab.do(order{"open": "http://" + s.ops + "/"})
	tab.await("#state", "Ready")
	tab.await("#dead-letters", "No event has been rejected")
	tab.everyLook("console-overview-empty")

	tab.do(order{"width": 1440})
	publish(t, broker, "-t", "app/"+channel+"/"+conversation+"/message", "-m", hostileMessage)
	publish(t, broker, "-t", "app/"+channel+"/"+conversation+"/message", "-m", strings.Replace(hostileMessage, "customer", "<img src=x>", 1))
	publish(t, broker, "-t", "app/7/name", "-m", `{"name":"Ada"}`)
	tab.await(".box.rule .mapped", "1")
	tab.await(".box.rule .rejected", "1")
	tab.await(".box.queue", "published 1, delivered 1")
	tab.await("#dead-letters", `table.role has no "<img src=x>"`)
	tab.await("#memories", "1 key")
	tab.everyLook("console-overview")

	tab.do(order{"width": 1440})
	rules := documentRules + consoleMemory
	if err := os.WriteFile(s.config, []byte(strings.ReplaceAll(rules, "name: unread", "name: unread counts")), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.await(".box.rule", "unread counts")
	if err := os.WriteFile(s.config, []byte(rules+"rulez: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.await("#notices", "The last reload was refused")
	tab.look("console-overview-refused", 1440, false)
}

// A session is looked for and ended, after a question; without payloads the pages say how to see
// them.
func TestConsoleSessions(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	s, console, broker := startConsole(t)
	client := startStompjs(t, s.url(), s.token("grace"), "/queue/message")
	startStompjs(t, s.url(), s.token("ada"), "/queue/message")
	publish(t, broker, "-t", "app/7/name", "-m", `{"name":"Ada"}`)

	tab.do(order{"open": console + "sessions"})
	tab.await("#sessions", "2 sessions")
	tab.everyLook("console-sessions")
	tab.do(order{"fill": [2]string{"Search", "grace"}})
	tab.do(order{"press": "Search"})
	tab.await("#sessions", "1 session; there are 2")
	tab.do(order{"click": "#sessions .act a"})
	tab.await("#end", "End the session of grace?")
	tab.everyLook("console-end")
	tab.do(order{"press": "End the session"})
	tab.await("#said", "was ended")
	client.next(func(l stompjsLine) bool { return strings.Contains(l.Error, "ended by the operator") })

	tab.do(order{"open": console + "memory?name=names"})
	tab.await("#keys", "ops.show_payloads: true")
	tab.await("#memories .n", "1")
	tab.everyLook("console-memory")
	tab.do(order{"open": console + "events?number=1"})
	tab.await("#event", "Payloads are shown with ops.show_payloads: true")

	// Where the graphs are not bundled, they are plainer.
	tab.do(order{"withhold": "**/bundle/**"})
	tab.do(order{"open": console, "width": 1440})
	tab.await(".line-graph", "")
}
