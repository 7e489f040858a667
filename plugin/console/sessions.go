package console

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/server"
)

// shownSessions is how many sessions the page shows of many.
const shownSessions = 100

// A sessionsPage is what the page of sessions shows beside the State.
type sessionsPage struct {
	Search   string
	Found    int            // that match
	All      int            // that there are
	Sessions []shownSession // those that lag most
	End      *shownSession  // that is about to be ended; nil: none
	Ended    string         // the id of one that was
	Gone     string         // the id of one that was to be, and had ended by itself
	Query    template.URL   // what leads back to the page
}

// A shownSession is one with what is the same for its subscriptions.
type shownSession struct {
	server.Status
	Waiting int64
	Left    time.Duration // until it expires; 0: it does not
}

// sessions shows the sessions that lag most, of those that were searched for.
func (c *console) sessions(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p := sessionsPage{Search: strings.TrimSpace(query.Get("q")), Ended: query.Get("ended"), Gone: query.Get("gone")}
	p.Query = template.URL(url.Values{"q": {p.Search}}.Encode())
	all := c.bridge.Sessions()
	p.All = len(all)
	for _, s := range all {
		if s.Session == query.Get("end") && s.Session != "" {
			one := shown(s)
			p.End = &one
		}
		if matches(s, strings.ToLower(p.Search)) {
			p.Sessions = append(p.Sessions, shown(s))
		}
	}
	p.Found = len(p.Sessions)
	slices.SortFunc(p.Sessions, func(x, y shownSession) int {
		return cmp.Or(cmp.Compare(y.Waiting, x.Waiting), cmp.Compare(x.User, y.User), cmp.Compare(x.Session, y.Session))
	})
	p.Sessions = p.Sessions[:min(len(p.Sessions), shownSessions)]
	c.show(w, r, "sessions", "Sessions", c.sampler.state(), p)
}

func shown(s server.Status) shownSession {
	x := shownSession{Status: s}
	for _, sub := range s.Subscriptions {
		x.Waiting += sub.Waiting
	}
	if s.Expires != nil {
		x.Left = max(time.Second, time.Until(*s.Expires).Truncate(time.Second))
	}
	return x
}

// matches reports whether the text, in lower case, is in what the page shows of the session.
func matches(s server.Status, text string) bool {
	in := func(of string) bool { return strings.Contains(strings.ToLower(of), text) }
	if text == "" || in(s.User) || in(s.Session) || in(s.Remote) || slices.ContainsFunc(s.Groups, in) {
		return true
	}
	for _, sub := range s.Subscriptions {
		if in(sub.Queue) {
			return true
		}
	}
	return false
}

// maxForm bounds the form that ends a session.
const maxForm = 64 << 10

// endSession ends a session, and leads back to the others.
func (c *console) endSession(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, name := r.PathValue("id"), "ended"
	if !c.bridge.EndSession(id) {
		name = "gone"
	}
	back := url.Values{name: {id}}
	if q := r.PostForm.Get("q"); q != "" {
		back.Set("q", q)
	}
	http.Redirect(w, r, "../../sessions?"+back.Encode(), http.StatusSeeOther)
}
