package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A browser is a tab of Chromium, driven by testdata/node/browser.mjs.
type browser struct {
	t       *testing.T
	orders  *json.Encoder
	answers *bufio.Scanner
}

// An order is what browser.mjs calls it; its first comment has them all.
type order map[string]any

// startBrowser starts Chromium. At the end of the test it reports what went wrong on the pages.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	needNode(t)
	mosquittotest.Look(t, "chromium")
	_, err := os.Stat("testdata/node/node_modules/axe-core")
	bridgetest.Need(t, "axe-core (npm ci --prefix plugin/sidecar/testdata/node)", err == nil)

	c := exec.Command("node", "testdata/node/browser.mjs")
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, orders: json.NewEncoder(stdin), answers: bufio.NewScanner(stdout)}
	b.answers.Buffer(nil, 1<<20)
	t.Cleanup(func() {
		stdin.Close()
		if faults := b.answer(); len(faults) > 0 {
			t.Errorf("the page has faults: %q", faults)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("browser.mjs: %v", err)
		}
	})
	return b
}

// do has the browser obey, and returns the texts that it answers.
func (b *browser) do(o order) []string {
	b.t.Helper()
	if err := b.orders.Encode(o); err != nil {
		b.t.Fatal(err)
	}
	return b.answer()
}

func (b *browser) answer() []string {
	b.t.Helper()
	if !b.answers.Scan() {
		b.t.Fatalf("browser.mjs has ended: %v", b.answers.Err())
	}
	var answer struct {
		Value any
		Error string
	}
	if err := json.Unmarshal(b.answers.Bytes(), &answer); err != nil {
		b.t.Fatalf("%s: %v", b.answers.Text(), err)
	}
	if answer.Error != "" {
		b.t.Fatal(answer.Error)
	}
	switch value := answer.Value.(type) {
	case []any:
		texts := make([]string, len(value))
		for i, v := range value {
			texts[i], _ = v.(string)
		}
		return texts
	case float64:
		if value > 0 {
			b.t.Errorf("the page is %v pixels wider than the window", value)
		}
	}
	return nil
}

// awaitIn is await in the frame of that name.
func (b *browser) awaitIn(frame, selector, text string) {
	b.t.Helper()
	b.do(order{"await": [2]string{selector, text}, "frame": frame})
}

// await waits until an element that matches holds the text.
func (b *browser) await(selector, text string) {
	b.t.Helper()
	b.do(order{"await": [2]string{selector, text}})
}
