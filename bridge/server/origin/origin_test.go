package origin_test

import (
	"errors"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/server/origin"
)

// A list and the headers that it holds, and does not hold.
func TestAllowed(t *testing.T) {
	for list, headers := range map[string]struct{ yes, no string }{
		"":                            {"", "null https://app.example"},
		"https://app.example":         {"https://app.example https://APP.example:443 HTTPS://app.example:0443", "http://app.example https://app.example:8443 https://app.example.evil https://app.example/ null"},
		"HTTPS://App.Example:443":     {"https://app.example https://app.example:443", "http://app.example:443"},
		"http://app.example:80":       {"http://app.example", "http://app.example:443 https://app.example"},
		"https://app.example:8443":    {"https://app.example:8443", "https://app.example"},
		"http://[::1]:80":             {"http://[::1] http://[0:0:0:0:0:0:0:1]:80", "http://[::1]:81 http://[::2]"},
		"https://[2001:DB8::0:9]":     {"https://[2001:db8::9]:443", "https://[2001:db8::8]"},
		"https://*.app.example":       {"https://a.app.example https://a.b.app.example:443", "https://app.example http://a.app.example https://aapp.example"},
		"https://*.app.example:9":     {"https://a.app.example:9", "https://a.app.example"},
		"https://*.example:443":       {"https://app.example", "https://app.example:8443"},
		"http://localhost:*":          {"http://localhost http://localhost:80 http://localhost:5173", "https://localhost:5173 http://localhost.evil:5173 http://127.0.0.1:5173"},
		"http://[::1]:*":              {"http://[::1]:3000", "http://[::2]:3000"},
		"https://*.preview.example:*": {"https://a.preview.example:9000", "https://preview.example:9000"},
		"null":                        {"null", "file:// https://null"},
		"file://":                     {"file:// FILE://", "null file:///index.html"},
		"app://. capacitor://localhost chrome-extension://abcdef": {"app://. capacitor://localhost chrome-extension://abcdef", "app://x"},
		"*": {"null file:// https://app.example nonsense", ""},
	} {
		allowed, err := origin.NewAllowed(strings.Fields(list))
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		for _, header := range strings.Fields(headers.yes) {
			if !allowed.Has(header) {
				t.Errorf("%q does not hold %q", list, header)
			}
		}
		for _, header := range strings.Fields(headers.no) {
			if allowed.Has(header) {
				t.Errorf("%q holds %q", list, header)
			}
		}
	}
}

// What is not an origin is refused with what to write instead.
func TestAllowedMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example/":     `an origin ends with the host or the port, "https://app.example/" does not | write https://app.example`,
		"https://app.example/page": `an origin ends with the host or the port, "https://app.example/page" does not | write https://app.example`,
		"file:///":                 `an origin ends with the host or the port, "file:///" does not | write file://`,
		"app.example":              `"app.example" is not an origin | write it like https://app.example.org`,
		"https://":                 `"https://" is not an origin: it has no host | write it like https://app.example.org`,
		"https://app.example:":     `"https://app.example:" is not an origin: "" is not a port | write it like https://app.example.org`,
		"https://app.example:99999": `"https://app.example:99999" is not an origin: "99999" is not a port | ` +
			`write it like https://app.example.org`,
		"https://me@app.example": `"https://me@app.example" is not an origin: "me@app.example" is not a host | write it like https://app.example.org`,
		"https://bücher.example": `"https://bücher.example" is not an origin: write the host as browsers send it, with xn-- | write it like https://app.example.org`,
		"http://[::1":            `"http://[::1" is not an origin: "[:" is not an IPv6 address in brackets`,
		"http://::1":             `"http://::1" is not an origin: ":" is not a host | write it like https://app.example.org`,
		"wss://app.example":      `"wss://app.example": an origin is that of a page, whose scheme is http or https | write https://app.example`,
		"https://a.*.example": `"https://a.*.example": * stands only for the first labels of the host, or for the port | ` +
			`write it like https://*.example.org or http://localhost:*`,
		"https://*":    `"https://*": * stands only for the first labels of the host, or for the port | write it like https://*.example.org or http://localhost:*`,
		"https://*.":   `"https://*." is not an origin | write it like https://*.example.org or http://localhost:*`,
		"*.example":    `"*.example": * stands only for the first labels of the host, or for the port | write it like https://*.example.org or http://localhost:*`,
		"*://a":        `"*://a": * stands only for the first labels of the host, or for the port | write it like https://*.example.org or http://localhost:*`,
		"localhost:*":  `"localhost:*" is not an origin | write it like https://*.example.org or http://localhost:*`,
		"http://a:8*":  `"http://a:8*": * stands only for the first labels of the host, or for the port | write it like https://*.example.org or http://localhost:*`,
		"NULL":         `"NULL" is not an origin | write it like https://app.example.org`,
		"":             `"" is not an origin | write it like https://app.example.org`,
		"://":          `"://" is not an origin | write it like https://app.example.org`,
		"1a://example": `"1a://example" is not an origin | write it like https://app.example.org`,
	} {
		_, err := origin.NewAllowed([]string{text})
		var e *origin.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := e.Message + " | " + e.Hint; !strings.HasPrefix(got, want) {
			t.Errorf("%q:\n%s\nwant\n%s", text, got, want)
		}
	}
}

// A page is the server's own when Origin and Host name one place, whatever default port either
// writes.
func TestSame(t *testing.T) {
	for _, test := range []struct {
		header, host string
		want         bool
	}{
		{"https://a.example", "a.example", true},
		{"https://a.example", "a.example:443", true},
		{"https://a.example:443", "a.example", true},
		{"http://a.example", "a.example:80", true},
		{"http://a.example:80", "A.Example", true},
		{"http://a.example:8080", "a.example:8080", true},
		{"http://[::1]:80", "[0::1]", true},
		{"https://a.example", "a.example:80", false},
		{"http://a.example", "a.example:443", false},
		{"https://a.example", "b.example", false},
		{"https://a.example:8443", "a.example", false},
		{"null", "null", false},
		{"file://", "", false},
		{"https://a.example", "", false},
		{"https://a.example", "a.example/x", false},
		{"https://a.example/", "a.example", false},
	} {
		if got := origin.Same(test.header, test.host); got != test.want {
			t.Errorf("Origin %q, Host %q: %v", test.header, test.host, got)
		}
	}
}

func TestHosts(t *testing.T) {
	hosts, err := origin.NewHosts([]string{"Inbox.Example", "*.app.example", "10.1.2.3", "::1", "[2001:db8::9]"})
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]bool{
		"inbox.example": true, "inbox.example:8080": true, "INBOX.example.": true, "a.app.example": true, "10.1.2.3:80": true,
		"[::1]:8080": true, "[2001:db8:0::9]": true,
		"": false, "app.example": false, "inbox.example.evil": false, "10.1.2.4": false, "inbox.example:x": false, "localhost": false,
	} {
		if got := hosts.Has(header); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	for _, bad := range []string{"", "a.example:80", "https://a.example", "a*.example", "*", "*.", "[::1", "a b", "a.example/x"} {
		if _, err := origin.NewHosts([]string{bad}); err == nil {
			t.Errorf("%q is taken for a host", bad)
		}
	}
	for header, want := range map[string]bool{
		"localhost:8080": true, "app.localhost": true, "127.0.0.1": true, "[::1]:8080": true, "192.168.1.7:8080": true, "bridge:8080": true,
		"bridge.chat.svc.cluster.local": true,
		"":                              false, "evil.example:8080": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
	} {
		if got := origin.Local(header); got != want {
			t.Errorf("Local(%q): %v", header, got)
		}
	}
}

func FuzzAllowed(f *testing.F) {
	for _, seed := range []string{"https://app.example:443", "null", "http://[::1]:*", "file://", "https://*.example", ":::", "x://["} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, entry, header string) {
		allowed, err := origin.NewAllowed([]string{entry})
		if err != nil {
			return
		}
		if !strings.Contains(entry, "*") && !allowed.Has(entry) {
			t.Errorf("%q does not hold itself", entry)
		}
		if allowed.Has(header) && !allowed.Has(strings.ToUpper(header)) && header != "null" {
			t.Errorf("%q holds %q in lower case alone", entry, header)
		}
	})
}
