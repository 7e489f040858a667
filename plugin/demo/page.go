package demo

import (
	"bytes"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// A PageConfig is what the page is told.
type PageConfig struct {
	Endpoint string `json:"endpoint"` // path of the WebSocket endpoint, on the page's own origin
	Token    string `json:"token"`    // for CONNECT
	Publish  string `json:"publish"`  // a command line for the visitor to try
}

// securityPolicy lets the page load its own files, connect to its own origin, and nothing else.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page returns a handler for / and the files below it. The page shows the four queues live through
// a STOMP session of its own. Whoever can load it can read the token, so it is for the loopback
// interface.
func Page(p PageConfig) http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("demo: " + err.Error()) // the directory is embedded
	}
	page := p.page()
	static := http.FileServerFS(files)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page) // fails only when the browser has gone
	})
	for _, name := range []string{"stomp.js", "inbox.js", "page.js", "style.css", "icon.svg"} {
		mux.Handle("GET /"+name, static)
	}
	return secured(mux)
}

// page returns the page with the configuration in it. What ends a script element does not occur
// there: JSON as Marshal writes it has no "<".
func (p PageConfig) page() []byte {
	page, err := pageFiles.ReadFile("page/index.html")
	if err != nil {
		panic("demo: " + err.Error()) // it is embedded
	}
	config, err := json.Marshal(p)
	if err != nil {
		panic("demo: " + err.Error()) // it has texts only
	}
	return bytes.Replace(page, []byte("{{.}}"), config, 1)
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", securityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store") // the page holds a token
		next.ServeHTTP(w, r)
	})
}
