package demo_test

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/plugin/demo"
)

var hostile = demo.PageConfig{Endpoint: "/ws.communication", Token: "a.b.c", Publish: `pub -m '</script><script>"<!--'`}

func get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	demo.Page(hostile).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPageHoldsItsConfig(t *testing.T) {
	_, body := get(t, "/")
	config := regexp.MustCompile(`(?s)<script id="config" type="application/json">(.*?)</script>`).FindStringSubmatch(body)
	if config == nil {
		t.Fatalf("no config in the page:\n%s", body)
	}
	var got demo.PageConfig
	if err := json.Unmarshal([]byte(config[1]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hostile, got); diff != "" {
		t.Errorf("config in the page (-want +got):\n%s", diff)
	}
}

// Every file that the page names is served, under a policy that lets nothing else in.
func TestPageIsCompleteAndClosed(t *testing.T) {
	_, page := get(t, "/")
	_, script := get(t, "/page.js")
	types := map[string]string{"/": "text/html"}
	for _, m := range regexp.MustCompile(`(?:src|href|from)(?:=| )"([^"]+)"`).FindAllStringSubmatch(page+script, -1) {
		path := "/" + strings.TrimPrefix(m[1], "./")
		types[path] = map[string]string{"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path[strings.LastIndexByte(path, '.')+1:]]
	}
	if len(types) != 6 {
		t.Errorf("the page consists of %v, want six files", types)
	}
	for path, want := range types {
		response, body := get(t, path)
		got, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
		if response.StatusCode != http.StatusOK || got != want || body == "" {
			t.Errorf("GET %s: %s, %s, %d bytes, want 200 with %s", path, response.Status, got, len(body), want)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
			t.Errorf("GET %s: the policy is %q", path, policy)
		}
		if got := response.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("GET %s: Cache-Control is %q, want no-store: the page holds a token", path, got)
		}
		body = strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "") // a name, not an address
		if found := regexp.MustCompile(`innerHTML|https?://`).FindString(body); found != "" {
			t.Errorf("GET %s: %q in it", path, found)
		}
	}
	for _, path := range []string{"/index.html", "/page/", "/nothing"} {
		if response, _ := get(t, path); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %s, want 404", path, response.Status)
		}
	}
}
