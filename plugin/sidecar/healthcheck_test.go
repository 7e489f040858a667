package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// A container often has HTTP_PROXY set, for the way out. The bridge beside is asked directly
// whatever address it listens on: through the proxy a healthy one would be restarted.
func TestHealthcheckUsesNoProxy(t *testing.T) {
	transport := http.DefaultTransport.(*http.Transport)
	before := transport.Proxy
	t.Cleanup(func() { transport.Proxy = before })
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }

	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	if err := ask(t.Context(), s.URL); err != nil {
		t.Error(err)
	}
}
