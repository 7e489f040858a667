package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A binary payload that is mapped reaches a client. One that is rejected goes on in its dead letter
// byte for byte, and nothing says that it is text.
func TestBinaryPayloads(t *testing.T) {
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	letters := make(chan *paho.Publish, 1)
	c, err := connectMQTT(t.Context(), broker.Addr, func(p *paho.Publish) { letters <- p })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		c.Disconnect(&paho.Disconnect{})
		<-c.Done()
	}()
	if _, err := c.Subscribe(t.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "mqtt-stomp-bridge/dead-letter/#", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	s := startSidecar(t, `
rules:
  - name: frame
    topic: frames/{n}
    payload: cbor
    queue: /queue/channel/connected
    fields: {id: '=uuid("frame", topic.n)', name: =payload.name, source: cbor, source_channel_id: =payload.no}
`, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	client := s.dial("ada", "/queue/channel/connected")
	frame := filepath.Join(t.TempDir(), "frame.bin")
	send := func(payload string) {
		t.Helper()
		write(t, frame, payload)
		if code, _, stderr := s.command("pub", "-t", "frames/7", "-f", frame); code != exitOK {
			t.Fatalf("pub: %d, %s", code, stderr)
		}
	}
	send("\xa2\x64name\x62\xc3\xbc\x62no\x18\xff")
	if got, want := nextChannel(t, client), (channelBody{Name: "ü", Source: "cbor", SourceChannelID: "255"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	const garbage = "\xbf\x00\xff\xfe\r\n\xa2\x64name"
	send(garbage)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	select {
	case p := <-letters:
		if string(p.Payload) != garbage || p.Properties.PayloadFormat != nil {
			t.Errorf("the dead letter holds %q, with the payload format %v", p.Payload, p.Properties.PayloadFormat)
		}
		if got, want := p.Properties.User.Get("reason"), "the payload is not CBOR: "; len(got) <= len(want) || got[:len(want)] != want {
			t.Errorf("the reason is %q", got)
		}
	case <-ctx.Done():
		t.Fatal("no dead letter")
	}
}

// A bridge reloads when a .proto file changes that a rule names or that one of these imports, also
// when it could not be compiled before.
func TestSchemaReload(t *testing.T) {
	broker := startDemoBroker(t)
	const rules = `
rules:
  - name: frame
    topic: frames/{n}
    payload: {protobuf: frame.proto, message: Frame}
    queue: /queue/channel/connected
    fields: {id: '=uuid("frame", topic.n)', name: =payload.name ?? payload.part.other, source: protobuf, source_channel_id: =topic.n}
`
	s := prepareSidecar(t, rules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr().String())
	folder := filepath.Dir(s.config)
	write(t, filepath.Join(folder, "frame.proto"), "syntax = \"proto3\";\nimport \"part.proto\";\nmessage Frame { optional string name = 1; Part part = 2; }\n")
	write(t, filepath.Join(folder, "part.proto"), "syntax = \"proto3\";\nmessage Part { string other = 2; }\n")
	s.start()
	s.waitReady()
	client := s.dial("ada", "/queue/channel/connected")
	frame := filepath.Join(t.TempDir(), "frame.bin")
	write(t, frame, "\x12\x0a\x0a\x03one\x12\x03two")
	next := func(want string) {
		t.Helper()
		if code, _, stderr := s.command("pub", "--broker", "mqtt://"+broker.Addr().String(), "-t", "frames/7", "-f", frame); code != exitOK {
			t.Fatalf("pub: %d, %s", code, stderr)
		}
		if got := nextChannel(t, client); got.Name != want {
			t.Errorf("%+v, want the name %s", got, want)
		}
	}
	next("two")
	write(t, filepath.Join(folder, "part.proto"), "syntax = \"proto3\";\nmessage Part { string other = ; }\n")
	bridgetest.Eventually(t, "the mistake to be told", func() bool { return strings.Contains(s.log.String(), "part.proto:2:31: syntax error") })
	next("two")
	write(t, filepath.Join(folder, "part.proto"), "syntax = \"proto3\";\nmessage Part { string other = 1; }\n")
	bridgetest.Eventually(t, "a reload", func() bool { return strings.Contains(s.log.String(), "msg=reloaded") })
	next("one")

	write(t, s.config, strings.ReplaceAll(rules, "frame.proto", "later.proto"))
	bridgetest.Eventually(t, "the missing file to be told", func() bool { return strings.Contains(s.log.String(), `"later.proto": file does not exist`) })
	write(t, filepath.Join(folder, "later.proto"), "syntax = \"proto3\"\n")
	bridgetest.Eventually(t, "its mistake to be told", func() bool { return strings.Contains(s.log.String(), "later.proto:2:1: syntax error") })
	write(t, filepath.Join(folder, "later.proto"), "syntax = \"proto3\";\nmessage Frame { optional string name = 2; Part part = 3; }\nmessage Part { string other = 1; }\n")
	bridgetest.Eventually(t, "another reload", func() bool { return strings.Count(s.log.String(), "msg=reloaded") == 2 })
	write(t, frame, "\x12\x03two")
	next("two")
}
