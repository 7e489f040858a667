package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

const workbenchRules = `broker: {keepalive: 30s} # not for the page

rules:
  - name: message
    topic: chat/{channel}/{conversation}/message
    queue: /queue/message
    fields:
      conversation_id: =uuid("conversation", topic.conversation)
      channel_id: =uuid("channel", topic.channel)
      message:
        id: =uuid("message", payload.id)
        content: {text: =payload.text, from: =payload.from}
        delivery_state: DELIVERED
        sender_type: source_contact

tests:
  - topic: chat/a
    payload: {}
    expect: filtered
`

// startWorkbench opens the workbench of a bridge, and returns the address of its broker too.
func startWorkbench(t *testing.T, prepare ...order) (b *browser, broker string) {
	t.Helper()
	mosquittotest.Look(t, "mosquitto_pub")
	b = startBrowser(t)
	broker = mosquittotest.Start(t, mosquittotest.Options{}).Addr
	s := startSidecar(t, workbenchRules, "BRIDGE_BROKER_URL=mqtt://"+broker, "BRIDGE_OPS_SHOW_PAYLOADS=true")
	for _, o := range prepare {
		b.do(o)
	}
	b.do(order{"open": "http://" + s.ops + "/console/workbench", "width": 1440})
	b.await("#checked", "Good: 1 rule; 1 test passes")
	return b, broker
}

// An event is picked as it comes, and stays text; an edited rule changes its body, and a test that is
// made of it passes in the file.
func TestWorkbench(t *testing.T) {
	needBundle(t)
	b, broker := startWorkbench(t)
	publish(t, broker, "-q", "1", "-t", "chat/5/7/message", "-m", `{"id": "m1", "from": "Ada", "text": "`+strings.ReplaceAll(hostile, `"`, `\"`)+`"}`)
	b.do(order{"choose": [2]string{"#pick", "1"}})
	b.await("#outcome", "mapped")
	b.await(".output", "as in force")
	if got := b.do(order{"texts": ".diff code"}); !slices.Contains(got, `{"text":"`+hostile+`","from":"Ada"}`) {
		t.Errorf("the body is %q", got)
	}

	b.do(order{"click": `.cm-line:has-text("content:")`, "keys": []string{"End", "Backspace"}, "type": ", read: true}"})
	b.await(".output", "differs from what is in force")
	for change, want := range map[string]string{"removed": `{"text":"` + hostile + `","from":"Ada"}`, "added": `{"text":"` + hostile + `","from":"Ada","read":true}`} {
		if got := b.do(order{"texts": ".diff [data-change=" + change + "] code"}); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", change, got, want)
		}
	}
	b.look("workbench-tried", 1440, false)

	b.do(order{"type": ": x"})
	b.await("#result", "what they made before")
	b.do(order{"keys": []string{"Backspace", "Backspace", "Backspace"}})
	b.await("#outcome", "mapped")

	b.do(order{"press": "Make a test of it"})
	b.await("#made-note", "passes")
	b.do(order{"press": "Put it into the file"})
	b.await("#checked", "Good: 1 rule; 2 tests pass")
	for _, width := range []int{1440, 768, 360} {
		for _, dark := range []bool{false, true} {
			b.look("workbench", width, dark)
		}
	}
}

// Three kinds of mistake are found while somebody types, at their place; keys and functions are
// completed.
func TestWorkbenchMistakes(t *testing.T) {
	needBundle(t)
	b, _ := startWorkbench(t)
	b.do(order{"click": `.cm-line:has-text("topic: chat/{channel}")`, "keys": []string{"End", "Enter"}})
	for _, mistake := range []struct{ text, place, message string }{
		{"no colon", "n", "this line has no"},
		{"whem: true", "whem", `unknown field "whem"`},
		{"when: uid(payload.id)", "uid", "unknown name uid"},
	} {
		b.do(order{"type": mistake.text})
		b.await(".cm-activeLine .cm-beside", mistake.message)
		b.await("#problems", mistake.message)
		if got := strings.Join(b.do(order{"texts": ".cm-lintRange-error"}), ""); got != mistake.place {
			t.Errorf("%s: %q is marked, want %q", mistake.message, got, mistake.place)
		}
		b.do(order{"keys": []string{"Escape", "Shift+Home", "Backspace"}})
		b.await("#checked", "Good")
	}
	b.look("workbench-good", 1440, false)

	b.do(order{"type": "aud"})
	b.await(".cm-tooltip-autocomplete li", "audience")
	b.await(".cm-completionInfo", "Who gets the message")
	b.do(order{"keys": []string{"Enter"}, "type": "=uni"})
	b.do(order{"keys": []string{"Backspace", "Backspace"}, "type": "uid"})
	b.await(".cm-tooltip-autocomplete li", "uuid(kind, id, …)")
	b.await(".cm-completionInfo", "a UUID (version 5)")
	b.look("workbench-completion", 1440, true)

	b.do(order{"keys": []string{"Escape", "Escape", "Tab"}})
	if got := b.do(order{"texts": ".cm-editor:focus-within"}); len(got) > 0 {
		t.Error("Esc and then Tab does not leave the editor")
	}
}

// Without the bundle the rules are edited in a text area, with the problems below it, each of which
// moves the caret.
func TestWorkbenchWithoutTheBundle(t *testing.T) {
	b, _ := startWorkbench(t, order{"withhold": "**/bundle/**"})
	b.do(order{"click": "#editor textarea", "keys": []string{"Control+End"}, "type": "    reteined: true\n"})
	b.await("#problems button", `unknown field "reteined"`)
	b.do(order{"keys": []string{"Control+Home"}})
	b.do(order{"click": "#problems button"})
	b.do(order{"type": "x"})
	b.await("#problems button", `unknown field "xreteined"`)
	b.look("workbench-plain", 1440, false)
	b.look("workbench-plain", 360, true)
}

// needBundle asks for the editor, which a fresh clone does not have.
func needBundle(t *testing.T) {
	t.Helper()
	_, err := os.Stat("../console/page/bundle/editor.js")
	bridgetest.Need(t, "the bundle of the pages (go generate ./...)", err == nil)
}
