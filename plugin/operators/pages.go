package operators

import (
	"crypto/sha256"
	_ "embed" // for the pages
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page/style.css
var style string

//go:embed page/pages.html
var pagesText string

var pages = template.Must(template.New("").Parse(pagesText))

// A page is what the templates show.
type page struct {
	Style     template.CSS
	Problem   string // with the last try; "": there was none
	Passwords bool
	Tokens    bool
	Next      string // where a login leads
	FromAfar  bool   // a link of another site has led here
}

// showLogin shows the page where people log in.
func (g *Guard) showLogin(w http.ResponseWriter, r *http.Request, status int, problem string) {
	policy := g.policy.Load()
	site := r.Header.Get("Sec-Fetch-Site")
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "30")
	}
	show(w, "login", status, page{
		Problem:   problem,
		Passwords: policy.Passwords != nil,
		Tokens:    policy.Tokens != nil,
		Next:      destination(wanted(r)),
		FromAfar:  site == "cross-site" || site == "same-site",
	})
}

// wanted returns the page that was asked for before the login. It takes nothing out of a body but what
// logIn has read: strangers send these, and FormValue reads them whatever their size.
func wanted(r *http.Request) string {
	if r.PostForm.Has("next") {
		return r.PostForm.Get("next")
	}
	return r.URL.Query().Get("next")
}

// showClosed says which setting opens the console.
func showClosed(w http.ResponseWriter, r *http.Request) {
	if wantsPage(r) {
		show(w, "closed", http.StatusForbidden, page{})
		return
	}
	http.Error(w, "the console is closed here, since no login is configured: set ops.login.password_file or ops.login.required_claims", http.StatusForbidden)
}

// policyOfPages lets the pages have their style and their forms, and nothing else.
var policyOfPages = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

func show(w http.ResponseWriter, name string, status int, p page) {
	p.Style = template.CSS(style)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policyOfPages)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	pages.ExecuteTemplate(w, name, p)
}
