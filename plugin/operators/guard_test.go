package operators_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/operators"
)

var tokenSecret = []byte("a secret for tests of 32 bytes..")

// jwt lets in those whose token has the claims.
func jwt(t testing.TB, claims ...auth.RequiredClaim) *auth.JWT {
	t.Helper()
	a, err := auth.NewJWT(auth.JWTConfig{Secrets: [][]byte{tokenSecret}, RequiredClaims: claims})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// token is one of ada, with the claims.
func token(t testing.TB, ttl time.Duration, claims map[string]any) string {
	t.Helper()
	text, err := auth.JWTConfig{Secrets: [][]byte{tokenSecret}}.Sign(auth.Grant{User: "ada", TTL: ttl, Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// passwords lets in by logins and passwords, in turn.
func passwords(t testing.TB, pairs ...string) *auth.PasswordFile {
	t.Helper()
	f := auth.NewPasswordFile()
	f.Use(hashes(t, pairs...))
	return f
}

func hashes(t testing.TB, pairs ...string) []auth.PasswordHash {
	t.Helper()
	var file strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		sum, err := pbkdf2.Key(sha512.New, pairs[i+1], []byte("salt"), 1, sha512.Size)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&file, "%s:$7$1$c2FsdA==$%s\n", pairs[i], base64.StdEncoding.EncodeToString(sum))
	}
	all, errs := auth.ParsePasswords([]byte(file.String()))
	if errs != nil {
		t.Fatal(errs)
	}
	return all
}

var operator = auth.RequiredClaim{Name: "roles", Value: "operator"}

// A bench is a guard with a handler of each kind.
type bench struct {
	t     *testing.T
	guard *operators.Guard
	mux   *http.ServeMux
	log   bytes.Buffer
}

func newBench(t *testing.T, loopback bool, p operators.Policy) *bench {
	b := &bench{t: t, mux: http.NewServeMux()}
	b.guard = operators.New(operators.Options{Loopback: loopback, Logger: slog.New(slog.NewTextHandler(&b.log, nil))})
	b.guard.Use(p)
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", operators.User(r)) })
	b.mux.Handle("GET /sessions", b.guard.Reading(ok))
	b.mux.Handle("POST /reread", b.guard.Changing(ok))
	b.mux.Handle("/console/", b.guard.Console(ok))
	return b
}

// do makes a request of somebody at 127.0.0.1, unless headers has Remote.
func (b *bench) do(method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, path, body)
	r.Host, r.RemoteAddr = "127.0.0.1:9464", "127.0.0.1:40000"
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Remote":
			r.RemoteAddr = headers[i+1] + ":40000"
		case "Host":
			r.Host = headers[i+1]
		default:
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	return w
}

// logIn sends the form of the login page.
func (b *bench) logIn(form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do("POST", "/console/login", strings.NewReader(form.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func password(user, password string) url.Values {
	return url.Values{"user": {user}, "password": {password}}
}

// session is the cookie that the answer sets, as a header.
func session(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || len(cookies) != 1 {
		t.Fatalf("%d, %d cookies: %s", w.Code, len(cookies), w.Body)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Who gets in where, by address, credentials and what has sent the request.
func TestWhoGetsIn(t *testing.T) { synctest.Test(t, testWhoGetsIn) }

func testWhoGetsIn(t *testing.T) {
	const afar = "192.0.2.1"
	none := operators.Policy{}
	byPassword := operators.Policy{Passwords: passwords(t, "ada", "right")}
	byToken := operators.Policy{Tokens: jwt(t, operator)}
	both := operators.Policy{Passwords: passwords(t, "ada", "right"), Tokens: jwt(t, operator)}
	good := "Bearer " + token(t, time.Hour, map[string]any{"roles": []any{"a", "operator"}})
	other := "Bearer " + token(t, time.Hour, map[string]any{"roles": "user"})
	expired := token(t, time.Second, map[string]any{"roles": "operator"})
	time.Sleep(time.Second)
	for _, test := range []struct {
		name                       string
		loopback                   bool
		policy                     operators.Policy
		headers                    []string
		reading, changing, console int
	}{
		{"this machine", true, none, nil, 200, 200, 200},
		{"this machine over IPv4 on an IPv6 socket", true, none, []string{"Remote", "[::ffff:127.0.0.1]"}, 200, 200, 200},
		{"a proxy on this machine", true, none, []string{"X-Forwarded-For", afar}, 200, 403, 403},
		{"a proxy that only says that there was TLS", true, none, []string{"X-Forwarded-Proto", "https"}, 200, 403, 403},
		{"another machine, by a loopback listener that is forwarded", true, none, []string{"Remote", afar}, 200, 403, 403},
		{"this machine, on all addresses", false, none, nil, 200, 200, 403},
		{"another machine, on all addresses", false, none, []string{"Remote", afar}, 200, 403, 403},
		{"credentials that nobody asks for", true, none, []string{"Authorization", other}, 200, 200, 200},
		{"a page elsewhere", true, none, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Origin", "https://evil.example.org"}, 200, 403, 403},
		{"a page at another port", true, none, []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", "http://127.0.0.1:8080"}, 200, 403, 403},
		{"its own page", true, none, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Origin", "http://127.0.0.1:9464"}, 200, 200, 200},

		{"nothing", true, byPassword, nil, 401, 401, 401},
		{"Basic", true, byPassword, []string{"Authorization", basic("ada", "right")}, 200, 200, 200},
		{"Basic from afar", false, byPassword, []string{"Remote", afar, "Authorization", basic("ada", "right")}, 200, 200, 200},
		{"Basic through a proxy", true, byPassword, []string{"X-Forwarded-For", afar, "Authorization", basic("ada", "right")}, 200, 200, 200},
		{"a wrong password", true, byPassword, []string{"Authorization", basic("ada", "wrong")}, 401, 401, 401},
		{"no such login", true, byPassword, []string{"Authorization", basic("bob", "right")}, 401, 401, 401},
		{"an empty password", true, byPassword, []string{"Authorization", basic("ada", "")}, 401, 401, 401},
		{"Basic that is none", true, byPassword, []string{"Authorization", "Basic !"}, 401, 401, 401},
		{"a token where passwords are", true, byPassword, []string{"Authorization", good}, 401, 401, 401},
		{"Basic with a page elsewhere", true, byPassword, []string{"Authorization", basic("ada", "right"), "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.org"}, 200, 403, 403},
		{"Basic with another origin, in an old browser", true, byPassword, []string{"Authorization", basic("ada", "right"), "Origin", "https://evil.example.org"}, 200, 403, 200},

		{"a token with the claim", false, byToken, []string{"Remote", afar, "Authorization", good}, 200, 200, 200},
		{"a token without the claim", false, byToken, []string{"Authorization", other}, 401, 401, 401},
		{"an expired token", false, byToken, []string{"Authorization", "Bearer " + expired}, 401, 401, 401},
		{"a token as a password", false, byToken, []string{"Authorization", basic("ada", strings.TrimPrefix(good, "Bearer "))}, 200, 200, 200},
		{"a token of somebody else as a password", false, byToken, []string{"Authorization", basic("bob", strings.TrimPrefix(good, "Bearer "))}, 401, 401, 401},
		{"a password where tokens are", false, byToken, []string{"Authorization", basic("ada", "right")}, 401, 401, 401},
		{"claims without keys", true, operators.Policy{Tokens: auth.Providers(nil)}, []string{"Authorization", good}, 401, 401, 401},

		{"a password, where both will do", true, both, []string{"Authorization", basic("ada", "right")}, 200, 200, 200},
		{"a token, where both will do", true, both, []string{"Authorization", good}, 200, 200, 200},
		{"two tokens", true, both, []string{"Authorization", good, "Authorization", other}, 401, 401, 401},
		{"a session that is none", true, both, []string{"Cookie", "mqtt-stomp-bridge-9464=AAAA"}, 401, 401, 401},

		{"no console", true, operators.Policy{NoConsole: true}, nil, 200, 200, 404},
		{"no console for those who may log in", true, operators.Policy{NoConsole: true, Passwords: byPassword.Passwords}, []string{"Authorization", basic("ada", "right")}, 200, 200, 404},
	} {
		b := newBench(t, test.loopback, test.policy)
		for path, want := range map[string]int{"/sessions": test.reading, "/console/api/state": test.console} {
			if w := b.do("GET", path, nil, test.headers...); w.Code != want {
				t.Errorf("%s: GET %s: %d, want %d: %s", test.name, path, w.Code, want, w.Body)
			}
		}
		if w := b.do("POST", "/reread", nil, test.headers...); w.Code != test.changing {
			t.Errorf("%s: POST /reread: %d, want %d: %s", test.name, w.Code, test.changing, w.Body)
		}
		want := max(test.changing, test.console) // it changes something in the console
		if w := b.do("POST", "/console/api/try", nil, test.headers...); w.Code != want {
			t.Errorf("%s: POST to the console: %d, want %d: %s", test.name, w.Code, want, w.Body)
		}
	}
}

// The way of a browser: to the page, by the form, with the cookie, and out.
func TestSession(t *testing.T) {
	b := newBench(t, false, operators.Policy{Passwords: passwords(t, "ada", "right"), Tokens: jwt(t, operator)})
	w := b.do("GET", "/console/events?number=7", nil, "Accept", "text/html,*/*", "Remote", "192.0.2.1")
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/console/login?next=%2Fconsole%2Fevents%3Fnumber%3D7" {
		t.Fatalf("%d to %q", w.Code, got)
	}
	w = b.do("GET", w.Header().Get("Location"), nil)
	for _, want := range []string{`name="next" value="/console/events?number=7"`, `name="password" type="password"`, `name="token"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s:\n%s", want, w.Body)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}

	form := password("ada", "right")
	form.Set("next", "/console/events?number=7")
	w = b.logIn(form, "Remote", "192.0.2.1")
	if got := w.Header().Get("Location"); got != "/console/events?number=7" {
		t.Errorf("it leads to %q", got)
	}
	cookie := session(t, w)
	if w = b.do("GET", "/console/", nil, "Cookie", cookie); w.Body.String() != "hello ada" {
		t.Errorf("with the cookie: %d %s", w.Code, w.Body)
	}
	if w = b.do("POST", "/console/api/try", nil, "Cookie", cookie, "Origin", "http://127.0.0.1:9464"); w.Code != http.StatusOK {
		t.Errorf("a change by its own page: %d %s", w.Code, w.Body)
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example.org"}, {"Origin", "null"}} {
		for _, path := range []string{"/console/api/try", "/console/logout"} {
			if w = b.do("POST", path, nil, append(headers, "Cookie", cookie)...); w.Code != http.StatusForbidden {
				t.Errorf("%s by %q: %d", path, headers, w.Code)
			}
		}
	}
	if w = b.do("GET", "/console/logout", nil, "Cookie", cookie); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a link ends the session: %d", w.Code)
	}
	if w = b.do("POST", "/console/logout", nil, "Cookie", cookie); w.Header().Get("Location") != "/console/login" {
		t.Errorf("logout: %d to %q", w.Code, w.Header().Get("Location"))
	}
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge != -1 || c[0].Value != "" {
		t.Errorf("logout leaves %v", c)
	}
	if w = b.do("GET", "/console/api/state", nil, "Cookie", cookie); w.Code != http.StatusUnauthorized {
		t.Errorf("after the logout: %d", w.Code)
	}
}

// What the cookie is like, and that each login has another.
func TestCookie(t *testing.T) {
	b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right")})
	for _, test := range []struct {
		name    string
		headers []string
		cookie  string
		secure  bool
	}{
		{"plain", nil, "mqtt-stomp-bridge-9464", false},
		{"behind a proxy with TLS", []string{"X-Forwarded-Proto", "https", "Host", "bridge.example.org"}, "mqtt-stomp-bridge", true},
		{"behind a proxy without", []string{"X-Forwarded-Proto", "http", "Host", "[::1]:81"}, "mqtt-stomp-bridge-81", false},
	} {
		w := b.logIn(password("ada", "right"), test.headers...)
		session(t, w)
		c := w.Result().Cookies()[0]
		if c.Name != test.cookie || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/console/" || c.Domain != "" || c.Secure != test.secure || c.MaxAge != 0 {
			t.Errorf("%s: %s", test.name, w.Header().Get("Set-Cookie"))
		}
		if len(c.Value) != 43 { // 256 bits in base64
			t.Errorf("%s: the id is %q", test.name, c.Value)
		}
	}
	first, second := b.logIn(password("ada", "right")), b.logIn(password("ada", "right"))
	if session(t, first) == session(t, second) {
		t.Error("two logins have one session")
	}
	again := b.logIn(password("ada", "right"), "Cookie", session(t, second))
	if session(t, again) == session(t, second) {
		t.Error("a login goes on with the session that the browser has brought")
	}
	if w := b.do("GET", "/console/", nil, "Cookie", session(t, second)); w.Code == http.StatusOK {
		t.Error("the session before the login has not ended")
	}
}

// A login leads to pages of the console alone.
func TestDestination(t *testing.T) {
	b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right")})
	for next, want := range map[string]string{
		"":                                   "/console/",
		"/console/":                          "/console/",
		"/console/events?number=7":           "/console/events?number=7",
		"/console/login":                     "/console/",
		"/console/logout":                    "/console/",
		"/sessions":                          "/console/",
		"/consoles":                          "/console/",
		"//evil.example.org/console/":        "/console/",
		"/console/../sessions":               "/console/",
		"/console/../../evil.example.org":    "/console/",
		`/\evil.example.org/console/`:        "/console/",
		`/console/\evil.example.org`:         "/console/",
		"https://evil.example.org/console/":  "/console/",
		"javascript:alert(1)":                "/console/",
		"/console/\r\nSet-Cookie: a=b":       "/console/",
		"/console/%0d%0aSet-Cookie:%20a=b":   "/console/%0d%0aSet-Cookie:%20a=b",
		"https:/console/":                    "/console/",
		"/console/events\"><script>alert(1)": "/console/events%22%3E%3Cscript%3Ealert%281%29",
	} {
		form := password("ada", "right")
		form.Set("next", next)
		if got := b.logIn(form).Header().Get("Location"); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
		if w := b.do("GET", "/console/login?"+url.Values{"next": {next}}.Encode(), nil); strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("the page holds %q:\n%s", next, w.Body)
		}
	}
}

// TestLargeBodies sends the login page forms that are larger than any login, in all ways. It read those
// with files whole, into memory and onto the disk, before anybody had logged in.
func TestLargeBodies(t *testing.T) {
	b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right")})
	const part = "--x\r\nContent-Disposition: form-data; name=\"next\"; filename=\"f\"\r\n\r\n"
	for _, method := range []string{"GET", "POST", "PUT"} {
		for kind, begin := range map[string]string{"multipart/form-data; boundary=x": part, "application/x-www-form-urlencoded": "next="} {
			const size = 1 << 20
			body := io.LimitedReader{R: io.MultiReader(strings.NewReader(begin), endless{}), N: size}
			w := b.do(method, "/console/login?next=/console/events", &body, "Content-Type", kind)
			if read := size - body.N; read > 100<<10 || !strings.Contains(w.Body.String(), `value="/console/events"`) {
				t.Errorf("%s with %s: %d bytes were read\n%s", method, kind, read, w.Body)
			}
		}
	}
}

// endless is a text without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, strings.Repeat("x", len(p))), nil }

// What the login page says, and to how many tries.
func TestFailedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right"), Tokens: jwt(t, operator)})
		for _, test := range []struct {
			form   url.Values
			status int
			text   string
		}{
			{url.Values{}, 422, "Something was left empty."},
			{password("ada", ""), 422, "Something was left empty."},
			{password("ada", "hunter22"), 401, "The user or the password is not right."},
			{password("<b>hunter22", "x"), 401, "The user or the password is not right."},
			{url.Values{"token": {"hunter22"}}, 401, "The token is not accepted: token is not a JSON Web Token."},
			{url.Values{"token": {token(t, time.Hour, nil)}}, 401, `The token is not accepted: token has another &#34;roles&#34; than is asked for.`},
			{url.Values{"token": {strings.Repeat("x", 65<<10)}}, 400, "The form cannot be read."},
		} {
			w := b.logIn(test.form)
			if w.Code != test.status || !strings.Contains(w.Body.String(), `role="alert">`+test.text+`<`) || len(w.Result().Cookies()) > 0 {
				t.Errorf("%.40v: %d\n%s", test.form, w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "hunter22") {
				t.Errorf("%.40v is repeated:\n%s", test.form, w.Body)
			}
		}
		for range 10 {
			b.logIn(password("ada", "wrong"))
		}
		w := b.logIn(password("ada", "right"))
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "30" || !strings.Contains(w.Body.String(), "too many tries") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := b.do("GET", "/sessions", nil, "Authorization", basic("ada", "right")); w.Code != http.StatusTooManyRequests {
			t.Errorf("Basic goes around it: %d", w.Code)
		}
		time.Sleep(time.Minute)
		session(t, b.logIn(password("ada", "right")))
		if text := b.log.String(); strings.Contains(text, "hunter22") || strings.Contains(text, "wrong") || !strings.Contains(text, "operator refused") ||
			!strings.Contains(text, `msg="operator logged in" user=ada by=password_file remote=127.0.0.1:40000`) {
			t.Errorf("the log:\n%s", text)
		}
	})
}

// When a session ends by itself, and what is being answered with it.
func TestSessionsEnd(t *testing.T) {
	for _, test := range []struct {
		name   string
		tokens bool
		ttl    time.Duration
		change func(*bench, *auth.PasswordFile) // at the end of wait
		wait   time.Duration
		every  time.Duration // between requests; 0: none are made
		ends   bool
	}{
		{name: "29 minutes", wait: 29 * time.Minute},
		{name: "30 minutes without a request", wait: 30 * time.Minute, ends: true},
		{name: "requests for 11 hours", wait: 11 * time.Hour, every: 10 * time.Minute},
		{name: "12 hours", wait: 12 * time.Hour, every: 10 * time.Minute, ends: true},
		{name: "before the token's end", tokens: true, ttl: 20 * time.Minute, wait: 20*time.Minute - 2*time.Second},
		{name: "with the token", tokens: true, ttl: 20 * time.Minute, wait: 20 * time.Minute, every: time.Minute, ends: true},
		{name: "a new password", change: func(b *bench, f *auth.PasswordFile) {
			f.Use(hashes(b.t, "ada", "new"))
			b.guard.Use(operators.Policy{Passwords: f})
		}, ends: true},
		{name: "a reload that leaves the login", change: func(b *bench, f *auth.PasswordFile) {
			f.Use(hashes(b.t, "bob", "new", "ada", "right"))
			b.guard.Use(operators.Policy{Passwords: f})
		}},
		{name: "keys withdrawn", tokens: true, ttl: time.Hour, change: func(b *bench, _ *auth.PasswordFile) {
			b.guard.Use(operators.Policy{Tokens: jwt(b.t, auth.RequiredClaim{Name: "roles", Value: "other"})})
		}, ends: true},
		{name: "another kind of login", change: func(b *bench, _ *auth.PasswordFile) {
			b.guard.Use(operators.Policy{Tokens: jwt(b.t)})
		}, ends: true},
		{name: "no login any more", change: func(b *bench, _ *auth.PasswordFile) {
			b.guard.Use(operators.Policy{})
			b.guard.Use(operators.Policy{Tokens: jwt(b.t)})
		}, ends: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := passwords(t, "ada", "right")
				policy, form := operators.Policy{Passwords: f}, password("ada", "right")
				if test.tokens {
					policy = operators.Policy{Tokens: jwt(t, operator)}
					form = url.Values{"token": {token(t, test.ttl, map[string]any{"roles": "operator"})}}
				}
				b := newBench(t, true, policy)
				cookie := session(t, b.logIn(form))
				for end := time.Now().Add(test.wait); test.every > 0 && time.Now().Add(test.every).Before(end); {
					time.Sleep(test.every)
					test.wait -= test.every
					if w := b.do("GET", "/console/", nil, "Cookie", cookie); w.Code != http.StatusOK {
						t.Fatalf("%s before the end: %d", test.wait, w.Code)
					}
				}
				time.Sleep(test.wait)
				if test.change != nil {
					test.change(b, f)
				}
				w := b.do("GET", "/console/", nil, "Cookie", cookie)
				if ended := w.Code == http.StatusUnauthorized; ended != test.ends {
					t.Errorf("%d", w.Code)
				}
			})
		})
	}
}

// A stream of events keeps its session in use, and ends with it.
func TestStreamsEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers func(b *bench, cookie string) []string
		end     func(b *bench, cookie string)
		after   time.Duration // that the stream lasts; 0: until end, after an hour
	}{
		{"at the logout", withCookie, func(b *bench, cookie string) { b.do("POST", "/console/logout", nil, "Cookie", cookie) }, 0},
		{"at the session's end", withCookie, nil, 12 * time.Hour},
		{"when the password changes", withCookie, func(b *bench, _ string) {
			b.guard.Use(operators.Policy{Passwords: passwords(b.t, "ada", "new")})
		}, 0},
		{"when the password changes, of curl", withBasic, func(b *bench, _ string) {
			b.guard.Use(operators.Policy{Passwords: passwords(b.t, "ada", "new")})
		}, 0},
		{"of curl, when its token ends", withToken, nil, 20 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right"), Tokens: jwt(t, operator)})
				var lasted time.Duration
				b.mux.Handle("/console/api/live", b.guard.Console(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					began := time.Now()
					<-r.Context().Done()
					lasted = time.Since(began)
				})))
				cookie := session(t, b.logIn(password("ada", "right")))
				headers := test.headers(b, cookie)
				done := make(chan struct{})
				go func() {
					b.do("GET", "/console/api/live", nil, headers...)
					close(done)
				}()
				synctest.Wait()
				if test.end != nil {
					time.Sleep(time.Hour)
					test.end(b, cookie)
					test.after = time.Hour
				}
				<-done
				if lasted.Round(time.Second) != test.after {
					t.Errorf("it lasted %s, want %s", lasted, test.after)
				}
			})
		})
	}
}

func withCookie(_ *bench, cookie string) []string { return []string{"Cookie", cookie} }

func withBasic(*bench, string) []string { return []string{"Authorization", basic("ada", "right")} }

func withToken(b *bench, _ string) []string {
	return []string{"Authorization", "Bearer " + token(b.t, 20*time.Minute, map[string]any{"roles": "operator"})}
}

// There are 64 sessions at the most; the one that was not used for longest ends.
func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, true, operators.Policy{Passwords: passwords(t, "ada", "right")})
		var cookies []string
		for range 65 {
			cookies = append(cookies, session(t, b.logIn(password("ada", "right"))))
			time.Sleep(time.Second)
			b.do("GET", "/console/", nil, "Cookie", cookies[0])
		}
		for i, cookie := range cookies {
			w := b.do("GET", "/console/", nil, "Cookie", cookie)
			if ended := w.Code != http.StatusOK; ended != (i == 1) {
				t.Errorf("session %d: %d", i, w.Code)
			}
		}
	})
}

// Keys that cannot be fetched are no refusal.
func TestUnanswered(t *testing.T) {
	b := newBench(t, true, operators.Policy{Tokens: unanswered{}})
	if w := b.do("GET", "/sessions", nil, "Authorization", "Bearer x"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.logIn(url.Values{"token": {"x"}}); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "cannot be checked") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type unanswered struct{}

func (unanswered) Authenticate(context.Context, auth.Credentials) (auth.Identity, error) {
	return auth.Identity{}, io.ErrUnexpectedEOF
}

func (unanswered) Recheck(auth.Identity) error { return nil }

// The log stays small, however many are refused.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, true, operators.Policy{Tokens: jwt(t, operator)})
		for range 1000 {
			b.do("GET", "/sessions", nil, "Authorization", "Bearer x.y.z")
		}
		time.Sleep(time.Second)
		b.do("GET", "/sessions", nil, "Authorization", "Bearer x.y.z")
		if text := b.log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "not_logged=999") {
			t.Errorf("the log:\n%s", text)
		}
	})
}

// Where the console is closed, it says how to open it; a page on the bridge's machine needs no login.
func TestPagesWithoutLogin(t *testing.T) {
	closed := newBench(t, false, operators.Policy{})
	w := closed.do("GET", "/console/", nil, "Accept", "text/html")
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "password_file: operators") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	open := newBench(t, true, operators.Policy{})
	for _, path := range []string{"/console/login", "/console/logout"} {
		if w := open.do("GET", path, nil); w.Header().Get("Location") != "/console/" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// A link leads to the console, wherever it stands.
	link := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
	if w := open.do("GET", "/console/", nil, link...); w.Code != http.StatusOK {
		t.Errorf("a link: %d", w.Code)
	}
	frame := append(link, "Sec-Fetch-Dest", "iframe")
	frame[5] = "iframe"
	if w := open.do("GET", "/console/", nil, frame...); w.Code != http.StatusForbidden {
		t.Errorf("a frame: %d", w.Code)
	}
	demanding := newBench(t, true, operators.Policy{Tokens: jwt(t)})
	if w := demanding.do("GET", "/console/login", nil, link...); !strings.Contains(w.Body.String(), `<a href="/console/">go on</a>`) {
		t.Errorf("a link to a session that browsers keep back:\n%s", w.Body)
	}
}
