package operators

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"mqtt-stomp-bridge/bridge/auth"
)

// Where the console is, and what the Guard answers there itself.
const (
	consolePath = "/console/"
	loginPath   = consolePath + "login"
	logoutPath  = consolePath + "logout"
)

// Console is for the console's handler at /console/. Where a login is configured, it demands it, and
// has the page where people log in. Otherwise it is open on an endpoint that only this machine
// reaches, for requests that no proxy has forwarded; for others it is closed, and says which setting
// opens it. No web page of another site can use it through its visitor's browser.
func (g *Guard) Console(next http.Handler) http.Handler {
	return g.origin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		policy := g.policy.Load()
		switch {
		case policy.NoConsole:
			http.Error(w, "the console is off: ops.console is false", http.StatusNotFound)
		case foreign(r):
			refuseForeign(w)
		case policy.demands():
			g.console(w, r, next)
		case !g.options.Loopback || !local(r):
			showClosed(w, r)
		case r.URL.Path == loginPath || r.URL.Path == logoutPath:
			http.Redirect(w, r, consolePath, http.StatusSeeOther)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

// Own answers by next, where no Guard stands, what people and pages of this site ask for, and refuses what
// the page of another site does by more than a link.
func Own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreign(r) {
			refuseForeign(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuseForeign(w http.ResponseWriter) {
	http.Error(w, "a page of another site has asked for this", http.StatusForbidden)
}

// foreign reports whether the page of another site makes the request, by more than a link: a
// picture, a script or a stream of events costs something, whoever may read the answer.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// console answers where a login is demanded.
func (g *Guard) console(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch {
	case r.URL.Path == loginPath && r.Method == http.MethodPost:
		g.logIn(w, r)
	case r.URL.Path == loginPath:
		g.showLogin(w, r, http.StatusOK, "")
	case r.URL.Path == logoutPath:
		g.logOut(w, r)
	default:
		p, err := g.identify(r)
		switch {
		case errors.Is(err, errNothing) && wantsPage(r):
			http.Redirect(w, r, loginPath+"?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		case err != nil:
			refuse(w, err)
		default:
			g.serve(w, r, p, next)
		}
	}
}

// wantsPage reports whether a person waits for the answer.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// maxForm is the size of the largest form that is read, in bytes: a token must fit.
const maxForm = 64 << 10

// logIn takes the form of the login page, and begins a session.
func (g *Guard) logIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		g.showLogin(w, r, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	form := r.PostForm
	c := auth.Credentials{Token: auth.Token(form.Get("token")), Login: form.Get("user"), Passcode: form.Get("password")}
	if c.Token == "" && (c.Login == "" || c.Passcode == "") {
		g.showLogin(w, r, http.StatusUnprocessableEntity, "Something was left empty.")
		return
	}
	who, err := g.authenticate(r, c)
	if err != nil {
		g.showLogin(w, r, statusOf(err), problem(err, c.Token != ""))
		return
	}
	g.sessions.end(sessionID(r))
	id := g.sessions.add(who)
	if g.policy.Load().chain().Recheck(who) != nil { // the policy has changed meanwhile
		g.sessions.end(id)
	}
	setCookie(w, r, id)
	g.options.Logger.Info("operator logged in", "user", who.User, "by", string(who.By), "remote", r.RemoteAddr)
	http.Redirect(w, r, destination(form.Get("next")), http.StatusSeeOther)
}

// problem is what the login page says of credentials that were not accepted.
func problem(err error, token bool) string {
	switch statusOf(err) {
	case http.StatusTooManyRequests:
		return "There were too many tries. Wait half a minute."
	case http.StatusServiceUnavailable:
		return "The login cannot be checked at the moment."
	}
	if token {
		return "The token is not accepted: " + err.Error() + "."
	}
	return "The user or the password is not right."
}

// logOut ends the session.
func (g *Guard) logOut(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	g.sessions.end(sessionID(r))
	setCookie(w, r, "")
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
}

// destination is where a login leads: to the page of the console that was asked for, and nowhere
// else.
func destination(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path.Clean(u.Path)+"/", consolePath) ||
		strings.Contains(next, `\`) || u.Path == loginPath || u.Path == logoutPath {
		return consolePath
	}
	return u.String()
}

// sessionID returns what the request's cookie holds; "" if it has none.
func sessionID(r *http.Request) string {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return ""
	}
	return c.Value
}

// cookieName is a cookie's for one port of the host: browsers keep cookies of all ports together,
// and there may be several bridges on a machine.
func cookieName(r *http.Request) string {
	const name = "mqtt-stomp-bridge"
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return name + "-" + port
	}
	return name
}

// setCookie has the browser show the id from now on, until it is closed; "": no more.
func setCookie(w http.ResponseWriter, r *http.Request, id string) {
	c := http.Cookie{
		Name:     cookieName(r),
		Value:    id,
		Path:     consolePath,
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
		Secure:   r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
	if id == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, &c)
}
