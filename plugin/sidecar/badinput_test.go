package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
	"mqtt-stomp-bridge/bridge/stomp"
	"mqtt-stomp-bridge/plugin/listen"
)

// sign makes a token for ada, an hour long, with the key at the time.
func sign(t *testing.T, key string, at time.Time) string {
	t.Helper()
	token, err := auth.JWTConfig{Secrets: [][]byte{[]byte(key)}, Now: func() time.Time { return at }}.Sign(auth.Grant{User: "ada", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// headers makes a frame's headers of key:value lines.
func headers(lines ...string) (all []stomp.Header) {
	for _, l := range lines {
		key, value, _ := strings.Cut(l, ":")
		all = append(all, stomp.Header{Key: key, Value: value})
	}
	return all
}

func connectFrame(lines ...string) stomp.Frame {
	return stomp.Frame{Command: stomp.CommandConnect, Headers: headers(append([]string{"accept-version:1.2"}, lines...)...)}
}

// exchange sends the frames and returns what comes back: the commands, of an ERROR its message,
// then the end. A refused handshake is the error.
func (r *running) exchange(handshake http.Header, frames ...stomp.Frame) (got []string, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	c, err := listen.Open(ctx, listen.Config{URL: r.url(), Header: handshake})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, f := range frames {
		if c.SendFrame(f) != nil {
			break // the server has had enough; what it said is still to be read
		}
	}
	for {
		f, err := c.ReadFrame(ctx)
		switch {
		case ctx.Err() != nil:
			r.t.Fatalf("nothing came after %q", got)
		case err != nil:
			return append(got, "end"), nil
		}
		line := string(f.Command)
		if message, ok := f.Get("message"); ok {
			line += " " + message
		}
		got = append(got, line)
	}
}

// What clients do wrong, with what they get and what the log says.
func TestBadClients(t *testing.T) {
	b := startDemoBroker(t)
	s := startSidecar(t, sourceRule("a/{n}", "first"), reloadEnviron(b)...)
	now := time.Now()
	good := sign(t, bridgetest.Secret, now)
	wrong := sign(t, "another secret of the tests, which is long enough too", now)
	expired := sign(t, bridgetest.Secret, now.Add(-2*time.Hour))
	early := sign(t, bridgetest.Secret, now.Add(2*time.Hour))
	long := strings.Repeat("x", 23<<10)
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	authorization := func(token string) stomp.Frame { return connectFrame("Authorization:Bearer " + token) }
	frame := func(command stomp.Command, lines ...string) stomp.Frame {
		return stomp.Frame{Command: command, Headers: headers(lines...)}
	}
	tests := []struct {
		name      string
		handshake http.Header
		frames    []stomp.Frame
		want      []string
		refused   string // at the handshake
		log       string
	}{
		{name: "no token", frames: []stomp.Frame{connectFrame()},
			want: []string{"ERROR 401 no token", "end"}, log: `cause="401 no token"`},
		{name: "wrong token", frames: []stomp.Frame{authorization(wrong)},
			want: []string{"ERROR 401 signature is not valid", "end"}, log: `cause="401 signature is not valid"`},
		{name: "no JSON Web Token", frames: []stomp.Frame{authorization("let me in")},
			want: []string{"ERROR 401 token is not a JSON Web Token", "end"}, log: `cause="401 token is not a JSON Web Token"`},
		{name: "expired token", frames: []stomp.Frame{authorization(expired)},
			want: []string{"ERROR 401 token expired", "end"}, log: `cause="401 token expired"`},
		{name: "token of the future", frames: []stomp.Frame{authorization(early)},
			want: []string{"ERROR 401 token was issued in the future", "end"}, log: `cause="401 token was issued in the future"`},
		{name: "wrong token in the handshake", handshake: bearer(wrong),
			refused: "401 Unauthorized", log: `msg="handshake refused" remote=127.0.0.1:PORT status=401 reason="signature is not valid"`},
		{name: "expired token in the handshake", handshake: bearer(expired),
			refused: "401 Unauthorized", log: `msg="handshake refused" remote=127.0.0.1:PORT status=401 reason="token expired"`},
		{name: "a page of another origin", handshake: http.Header{"Origin": {"https://other.example"}},
			refused: "403 Forbidden", log: `reason="origin is not allowed" origin=https://other.example hint="add this origin to server.allowed_origins"`},
		{name: "SUBSCRIBE before CONNECT", frames: []stomp.Frame{frame(stomp.CommandSubscribe, "id:0", "destination:/queue/message")},
			want: []string{"ERROR not connected", "end"}, log: `cause="not connected"`},
		{name: "unknown destination", handshake: bearer(good), frames: []stomp.Frame{connectFrame(), frame(stomp.CommandSubscribe, "id:0", "destination:/queue/messages")},
			want: []string{"CONNECTED", "ERROR unknown destination", "end"}, log: `cause="unknown destination" user=ada`},
		{name: "SEND to a queue", frames: []stomp.Frame{authorization(good), frame(stomp.CommandSend, "destination:/queue/message")},
			want: []string{"CONNECTED", "ERROR SEND is not accepted", "end"}, log: `cause="SEND is not accepted" user=ada`},
		{name: "a version that there is not", frames: []stomp.Frame{frame(stomp.CommandConnect, "accept-version:2.0", "Authorization:"+good)},
			want: []string{"ERROR no common version", "end"}, log: `cause="no common version"`},
		{name: "a body over the limit", frames: []stomp.Frame{
			{Command: stomp.CommandSend, Headers: headers("destination:/queue/message"), Body: make([]byte, 65<<10)}},
			want: []string{"ERROR frame over a limit", "end"}, log: `cause="frame over a limit"`},
		{name: "more than may come before CONNECT", frames: []stomp.Frame{connectFrame("a:"+long, "b:"+long, "c:"+long)},
			want: []string{"ERROR too many bytes before CONNECT was accepted", "end"}, log: `cause="unauthenticated bytes"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.log.String())
			got, err := s.exchange(test.handshake, test.frames...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the client gets (-want +got):\n%s", diff)
			}
			if test.refused == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("handshake: %v, want %q", err, test.refused)
			}
			bridgetest.Eventually(t, "the log to say "+test.log, func() bool {
				text, after, _ := strings.Cut(test.log, ":PORT")
				log := s.log.String()[before:]
				return strings.Contains(log, text) && strings.Contains(log, after)
			})
		})
	}
}

// startDeadLetters starts an open Mosquitto, and the sidecar with the rules on it.
func startDeadLetters(t *testing.T, rules string) (broker *mosquittotest.Broker, letters <-chan mqttMessage) {
	t.Helper()
	mosquittotest.Look(t, "mosquitto_pub")
	broker = mosquittotest.Start(t, mosquittotest.Options{})
	letters = subscribeMQTT(t, broker.Addr, "mqtt-stomp-bridge/dead-letter/#")
	startSidecar(t, rules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	return broker, letters
}

func nextLetter(t *testing.T, letters <-chan mqttMessage) mqttMessage {
	t.Helper()
	select {
	case m := <-letters:
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no dead letter comes")
		return mqttMessage{}
	}
}

// A rule for every topic does not see the bridge's own: a dead letter that it took for an event
// would make another one, for ever.
func TestRuleForEverything(t *testing.T) {
	broker, letters := startDeadLetters(t, strings.Replace(everythingRule, "retained: deliver", "retained: deliver\n    payload: json", 1))
	for n := range 5 {
		topic := fmt.Sprint("any/", n)
		publish(t, broker.Addr, "-t", topic, "-m", "not json")
		if m := nextLetter(t, letters); m.user["topic"] != topic || m.topic != "mqtt-stomp-bridge/dead-letter/everything" {
			t.Fatalf("the letter %+v is not of %s", m, topic)
		}
	}
}

// What a dead letter says of payloads that fail, one for each target.
func TestBadPayloads(t *testing.T) {
	broker, letters := startDeadLetters(t, documentRules)
	message, unread, state := documentEvents[0][0], documentEvents[1][0], documentEvents[2][0]
	tests := []struct{ topic, payload, field, reason string }{
		{message, `{"id":`, "", "the payload is not JSON"},
		{message, `{"id":"x","content":"","state":"sent","from":"customer","at":0}`, "message.id", "UUID"},
		{message, strings.Replace(documentEvents[0][1], "delivered", "lost", 1), "message.delivery_state", "DELIVERED"},
		{message, strings.Replace(documentEvents[0][1], "customer", "nobody", 1), "message.sender_type", "no value"},
		{message, strings.Replace(documentEvents[0][1], "1611741600000", `"yesterday"`, 1), "message.sent_at", "time"},
		{unread, `{"count":-1,"at":0}`, "unread_message_count", "-1 is not a whole number of 0 or more"},
		{"app/7/unread", documentEvents[1][1], "conversation_id", "UUID"},
		{state, `{"online":true,"page":"p"}`, "name", `payload has no "name"`},
		{state, `{"online":"yes"}`, "", "queue"},
	}
	for _, test := range tests {
		publish(t, broker.Addr, "-t", test.topic, "-m", test.payload)
		m := nextLetter(t, letters)
		if m.payload != test.payload || m.user["field"] != test.field || !strings.Contains(m.user["reason"]+m.user["stage"], test.reason) {
			t.Errorf("%s %s: letter %+v; want field %q and a reason with %q", test.topic, test.payload, m, test.field, test.reason)
		}
	}
}

func wantBody(t *testing.T, c *listen.Client, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if m, err := c.Next(ctx); err != nil || string(m.Body) != want {
		t.Fatalf("got %s, %v; want %s", m.Body, err, want)
	}
}

// why returns what readiness says.
func (r *running) why() string {
	if err := ask(context.Background(), "http://"+r.ops+"/readyz"); err != nil {
		return err.Error()
	}
	return ""
}

// lines returns the log's lines that contain the text.
func (r *running) lines(text string) (lines []string) {
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Without a broker at the start the bridge says so once, keeps trying, and is there when the broker
// is.
func TestBrokerAbsent(t *testing.T) {
	t.Parallel()
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	broker.Kill()
	s := prepareSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	s.start()
	bridgetest.Eventually(t, "readiness to say that nobody is there", func() bool {
		return strings.Contains(s.why(), "mqtt: dial tcp "+broker.Addr+": connect: connection refused")
	})

	attempts, end := hangUp(t, broker.Addr)
	bridgetest.Eventually(t, "further attempts", func() bool { return attempts() >= 6 })
	if refused := s.lines("connection refused"); len(refused) != 1 {
		t.Errorf("that nobody is there is said %d times, want once:\n%s", len(refused), strings.Join(refused, ""))
	}
	if said := s.lines("cannot connect to the broker, will keep trying"); len(said) > 3 { // refused, reset, closed
		t.Errorf("more than one line for a kind of failure:\n%s", strings.Join(said, ""))
	}
	end()
	broker.Restart()
	s.waitReady()
	c := s.dial("grace", "/queue/unread-count")
	publish(t, broker.Addr, "-t", documentEvents[1][0], "-m", documentEvents[1][1])
	wantBody(t, c, documentBodies["/queue/unread-count"])
}

// A wrong password is one line, with the broker's reason; a mended password file is enough.
func TestBrokerPasswordWrong(t *testing.T) {
	t.Parallel()
	broker := startSecured(t)
	environ := brokerEnviron(t, broker)
	s := prepareSidecar(t, documentRules, environ...)
	file := strings.TrimPrefix(environ[len(environ)-1], "BRIDGE_BROKER_PASSWORD_FILE=")
	write(t, file, "wrong")
	s.start()
	const reason = "the broker refuses the connection: not authorized (0x87)"
	bridgetest.Eventually(t, "readiness to say so", func() bool { return strings.Contains(s.why(), "mqtt: "+reason) })
	bridgetest.Eventually(t, "both connections to try again", func() bool { return strings.Count(broker.Log(), "not authorised") >= 6 })
	if said := s.lines(reason); len(said) != 1 {
		t.Errorf("it is said %d times, want once:\n%s", len(said), strings.Join(said, ""))
	}
	write(t, file, "bridge password\n")
	s.waitReady()
}

// When the broker takes no dead letters, events are acknowledged and flow on, readiness says so,
// and the letters are kept.
func TestDeadLettersRefused(t *testing.T) {
	broker := startSecured(t)
	broker.WriteFile("acl", "user bridge\ntopic read app/#\ntopic write mqtt-stomp-bridge/state\nuser app\ntopic write app/#\n")
	broker.Kill()
	broker.Restart()
	s := startSidecar(t, documentRules, brokerEnviron(t, broker)...)
	c := s.dial("grace", "/queue/unread-count")
	for range 3 {
		publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", documentEvents[1][0], "-m", `{"count": -1}`)
	}
	publish(t, broker.Addr, "-u", "app", "-P", "app password", "-t", documentEvents[1][0], "-m", documentEvents[1][1])
	wantBody(t, c, documentBodies["/queue/unread-count"])
	bridgetest.Eventually(t, "readiness to say so", func() bool {
		return strings.Contains(s.why(), "dead letters: the broker refused 3, which are kept and offered again every minute; allow this user to write mqtt-stomp-bridge/#")
	})
	bridgetest.Eventually(t, "four acknowledgements", func() bool { return strings.Count(broker.Log(), "Received PUBACK from mqtt-stomp-bridge (") == 4 })
	if said := s.lines("broker refuses dead letters"); len(said) != 1 || !strings.Contains(said[0], "not authorized (0x87)") {
		t.Errorf("the log says %q", said)
	}
}

// hangUp accepts connections on the address and closes them, as a port forwarder without a target
// does.
func hangUp(t *testing.T, addr string) (attempts func() int64, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			c.Close()
		}
	}()
	end = func() {
		l.Close()
		<-done
	}
	t.Cleanup(end)
	return n.Load, end
}
