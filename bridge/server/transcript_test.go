package server_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

var update = flag.Bool("update", false, "rewrite what the server says in the transcripts")

// TestTranscripts plays the sessions in testdata. A line there is one step, and the lines after it
// that begin with < are all that the server sends until nothing moves any more, with the time that
// passed where it is not zero:
//
//	open [name=value ...]     a handshake with these headers; protocol=... for subprotocols, ~ for a space in a value
//	> COMMAND | k:v || body   a frame in one text message
//	text "..."                a text message with this content; binary "..." likewise
//	ping DATA, close CODE     a control frame
//	publish QUEUE KEY BODY    an entry; - for no key
//	publish-to TOKENS ...     the same, for an audience, with commas
//	access QUEUE,QUEUE        the server gets access rules that allow these alone
//	wait 30s                  so much time passes
//	keys other                the server gets new keys
//	mute                      the client answers pings no more
//
// $good is a good token, $next another of the same user, $bob one of another, $short one that ends
// in five seconds, $other one by a key that is not the server's; $b64good and so on are these in
// base64url. EPOCH and SESSION stand for values that are random.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(want)) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s (-want +got); -update rewrites it:\n%s", file, d)
			}
		})
	}
}

// A player plays one transcript.
type player struct {
	*house
	t      *testing.T
	client *client
	tokens *strings.Replacer
}

func play(t *testing.T, script string) string {
	tokens := func(who auth.Identity) []string { return []string{"u:" + who.User} }
	h := newHouseWith(t, server.Config{Policy: server.Policy{Origins: origins(t, "https://app.example"), Tokens: tokens}, Limits: server.Limits{Subscriptions: 4}},
		hub.Config{RingEntries: 8}, journal.MemoryOptions{MaxBytes: 40 * 200})
	p := &player{house: h, t: t}
	other := auth.JWTConfig{Secrets: secrets[1:]}
	otherToken, err := other.Sign(auth.Grant{User: "eve", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pairs := []string{"EPOCH", h.hub.Epoch(0)}
	for name, token := range map[string]string{
		"good":  h.token("ann", 24*time.Hour),
		"next":  h.token("ann", 48*time.Hour),
		"bob":   h.token("bob", 24*time.Hour),
		"short": h.token("ann", 5*time.Second),
		"other": otherToken,
	} {
		pairs = append(pairs, "$"+name, token, "$b64"+name, base64.RawURLEncoding.EncodeToString([]byte(token)))
	}
	p.tokens = strings.NewReplacer(pairs...)
	var out []string
	for line := range strings.SplitSeq(strings.TrimSuffix(script, "\n"), "\n") {
		if strings.HasPrefix(line, "<") {
			continue
		}
		out = append(out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		began := time.Now()
		out = append(out, p.step(p.tokens.Replace(line))...)
		synctest.Wait()
		out = append(out, p.heard(began)...)
	}
	if p.client != nil {
		p.client.conn.Close()
	}
	return strings.Join(out, "\n") + "\n"
}

// step does what the line says and returns what it can say at once.
func (p *player) step(line string) []string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "open":
		return []string{p.open(strings.Fields(rest))}
	case ">":
		p.client.send(rest)
	case "text", "binary":
		data, err := strconv.Unquote(rest)
		if err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		p.client.sendRaw(map[string]int{"text": websocket.TextMessage, "binary": websocket.BinaryMessage}[verb], data)
	case "ping":
		p.client.conn.WriteControl(websocket.PingMessage, []byte(rest), time.Time{})
	case "close":
		code, _ := strconv.Atoi(rest)
		p.client.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), time.Time{})
	case "publish":
		f := strings.SplitN(rest, " ", 3)
		p.publish(f[0], strings.TrimPrefix(f[1], "-"), f[2])
	case "publish-to":
		f := strings.SplitN(rest, " ", 4)
		p.publish(f[1], strings.TrimPrefix(f[2], "-"), f[3], strings.Split(f[0], ",")...)
	case "access":
		p.setPolicy(func(policy *server.Policy) { policy.Access = allowed(strings.Split(rest, ",")) })
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.t.Fatal(err)
		}
		time.Sleep(d)
	case "keys":
		p.setAuth(p.authenticator(auth.JWTConfig{Secrets: secrets[1:]}))
	case "mute":
		p.client.mute.Store(true)
	default:
		p.t.Fatalf("no such step: %s", line)
	}
	return nil
}

// allowed are the queues that everybody may subscribe to.
type allowed []string

func (a allowed) Allow(queue, _ string, _ map[string]any) (bool, string) {
	return slices.Contains(a, queue), "it is not in the list"
}

func (p *player) open(fields []string) string {
	if p.client != nil {
		p.client.conn.Close()
	}
	var protocols []string
	header := http.Header{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if name == "protocol" {
			protocols = strings.Split(value, ",")
			continue
		}
		header.Set(name, strings.ReplaceAll(value, "~", " "))
	}
	conn, response, err := p.dial(header, protocols...)
	if err != nil {
		body := make([]byte, 200)
		n, _ := response.Body.Read(body)
		return fmt.Sprint("< ", response.StatusCode, " ", strings.TrimSpace(string(body[:n])))
	}
	p.client = newClient(p.t, conn)
	go p.client.read()
	return strings.TrimSpace("< 101 " + conn.Subprotocol())
}

var sessionID = regexp.MustCompile(`session:[0-9a-f]{16}`)

// heard returns what the client got in this step.
func (p *player) heard(began time.Time) []string {
	if p.client == nil {
		return nil
	}
	var lines []string
	for _, r := range p.client.take() {
		text := sessionID.ReplaceAllString(r.text, "session:SESSION")
		text = strings.ReplaceAll(text, p.hub.Epoch(0), "EPOCH")
		prefix := "< "
		if after := r.after - began.Sub(p.client.began); after > 0 {
			prefix += after.String() + " "
		}
		lines = append(lines, prefix+text)
		p.checkError(text)
	}
	return lines
}

var (
	messageHeader = regexp.MustCompile(` \| message:401 `)
	clientsOwn    = regexp.MustCompile(` \| (receipt-id|last-message-id):[^|]*`)
)

// checkError: clients log their user out when an ERROR says 401.
func (p *player) checkError(text string) {
	if !strings.HasPrefix(text, "ERROR") || messageHeader.MatchString(text) {
		return
	}
	if own := clientsOwn.ReplaceAllString(text, ""); strings.Contains(own, "401") || strings.Contains(own, "odd") {
		p.t.Errorf("%s: it must hold neither 401 nor text of the client", text)
	}
	if !strings.Contains(text, " | message:") {
		p.t.Errorf("%s: there is no message header", text)
	}
}
