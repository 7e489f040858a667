package service_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/plugin/demo"
	"mqtt-stomp-bridge/plugin/service"
)

// Beside the pages, the console is only where events may be sent, and nowhere under a name that a
// stranger may have lead here, or for another site's page, which could use up its streams.
func TestConsoleBesidePages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	broker, err := demo.StartBroker(l, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	page := func(*bridge.Bridge) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("the page")) })
	}
	for name, test := range map[string]struct {
		publish      func(string, []byte) error
		host, path   string
		site         string // Sec-Fetch-Site of what a page loads
		status       int
		framed, body string
	}{
		"the console":             {broker.Publish, "", "/console/", "", 200, "'self'", "<h1>Overview</h1>"},
		"the page":                {broker.Publish, "", "/", "", 200, "", "the page"},
		"a name of this machine":  {broker.Publish, "demo.localhost", "/console/", "", 200, "'self'", ""},
		"a stranger's name":       {broker.Publish, "evil.example", "/console/", "", 421, "", "does not answer to that host name"},
		"a stranger's name, page": {broker.Publish, "evil.example", "/", "", 421, "", "does not answer to that host name"},
		"without events to send":  {nil, "", "/console/", "", 200, "", "the page"},
		"its own page":            {broker.Publish, "", "/console/events", "same-origin", 200, "'self'", "<h1>Events</h1>"},
		"another site's page":     {broker.Publish, "", "/console/page/icon.svg", "cross-site", 403, "", "a page of another site"},
		"a page at another port":  {broker.Publish, "", "/console/page/icon.svg", "same-site", 403, "", "a page of another site"},
	} {
		t.Run(name, func(t *testing.T) {
			c := load(t, "", "BRIDGE_BROKER_URL=mqtt://"+broker.Addr().String())
			s, err := service.New(t.Context(), c, service.Options{Logger: logger, Pages: page, Publish: test.publish})
			if err != nil {
				t.Fatal(err)
			}
			if start := s.Bridge().Start(); !regexp.MustCompile(`^[a-z0-9]+-0$`).MatchString(start) {
				t.Errorf("a new journal starts after %q", start)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}()
			request, err := http.NewRequest(http.MethodGet, "http://"+s.Addr().String()+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = test.host
			if test.site != "" {
				request.Header.Set("Sec-Fetch-Site", test.site)
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			_, framed, _ := strings.Cut(response.Header.Get("Content-Security-Policy"), "frame-ancestors ")
			if response.StatusCode != test.status || framed != test.framed || !strings.Contains(string(body), test.body) {
				t.Errorf("got %s, frame-ancestors %q: %s", response.Status, framed, body)
			}
		})
	}
}
