package mqtt_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// A client whose time is over leaves the session to the one that has taken it. Without that, both
// take it from each other for ever.
func TestOverLeavesTheSession(t *testing.T) {
	for _, test := range []struct {
		name string
		over bool
	}{{"over", true}, {"not over", false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for the next attempt
			u := mosquittotest.Start(t, mosquittotest.Options{}).URL("mqtt")
			over := make(chan struct{})
			first, _ := start(t, u, mqtt.Config{Filters: filters("a"), Over: over})
			if test.over {
				close(over)
			}
			second, _ := start(t, u, mqtt.Config{Filters: filters("a")})
			if !test.over {
				bridgetest.Eventually(t, "a session that is taken back", func() bool { return second.Stats().Connects > 1 })
				return
			}
			waitState(t, first, "refused by itself", func(s mqtt.State) bool { return errors.Is(s.Receiving.Err, mqtt.ErrOver) })
			if n := second.Stats().Connects; n != 1 || !second.State().Ready {
				t.Errorf("the second has connected %d times, its state is %+v", n, second.State())
			}
			if _, err := mqtt.NewVisit(t.Context(), u, mqtt.Config{Over: over}, mqtt.VisitOptions{ClientID: "visitor"}); !errors.Is(err, mqtt.ErrOver) {
				t.Errorf("a visit has the error %v", err)
			}
		})
	}
}

// A client whose time is over while it dials sends no CONNECT any more.
func TestOverWhileDialing(t *testing.T) {
	over, read := make(chan struct{}), make(chan error, 1)
	upgrade := websocket.Upgrader{Subprotocols: []string{"mqtt"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(over)
		ws, err := upgrade.Upgrade(w, r, nil)
		if err == nil {
			_, _, err = ws.ReadMessage()
			ws.Close()
		}
		read <- err
	}))
	defer server.Close()
	u, err := url.Parse(strings.Replace(server.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = mqtt.NewVisit(t.Context(), u, mqtt.Config{Over: over}, mqtt.VisitOptions{ClientID: "visitor"})
	if sent := <-read; !errors.Is(err, mqtt.ErrOver) || !websocket.IsUnexpectedCloseError(sent) {
		t.Errorf("the visit has the error %v; the server reads %v, want the end of the connection", err, sent)
	}
}
