package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// setOperator gives a login of the password file a password, as an operator would.
func setOperator(t *testing.T, file, user, password string) {
	t.Helper()
	program := mosquittotest.Look(t, "mosquitto_passwd")
	if _, err := os.Stat(file); err != nil {
		write(t, file, "")
	}
	if out, err := exec.Command(program, "-b", file, user, password).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
}

// startDemanding starts a sidecar that demands a login of operators: of ada with operatorPassword, or a
// token with role=operator.
func startDemanding(t *testing.T, environ ...string) (s *running, file string) {
	t.Helper()
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	file = filepath.Join(t.TempDir(), "operators")
	setOperator(t, file, "ada", operatorPassword)
	environ = append(environ, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr, "BRIDGE_OPS_LOGIN_PASSWORD_FILE="+file, "BRIDGE_OPS_LOGIN_REQUIRED_CLAIMS=role=operator")
	return startSidecar(t, namesRules("{for: 1h}", ""), environ...), file
}

// operatorToken is one that the sidecar accepts of operators.
func (r *running) operatorToken() string {
	r.t.Helper()
	code, token, stderr := r.command("token", "-u", "grace", "--claim", "role=operator")
	if code != exitOK {
		r.t.Fatalf("token: code %d, %s", code, stderr)
	}
	return strings.TrimSpace(token)
}

// Where the bridge demands a login, so it does of the commands; a new password is in force by itself.
func TestCommandsLogIn(t *testing.T) {
	s, file := startDemanding(t)
	dir := t.TempDir()
	put := func(name, text string) string {
		write(t, filepath.Join(dir, name), text+"\n")
		return filepath.Join(dir, name)
	}
	right, wrong := put("right", operatorPassword), put("wrong", mistyped)
	good, other := put("good", "Bearer "+s.operatorToken()), put("other", s.token("grace"))
	const demand = "the bridge demands a login (ops.login): give --login NAME and --password-file FILE, or a token by --token-file FILE or $MQTT_STOMP_BRIDGE_TOKEN"
	commands := [][]string{{"memory"}, {"explain", "-u", "ann", "-t", "hello/1"}, {"reread", "names/+"}}
	for _, test := range []struct {
		flags  []string
		stderr string // "": the bridge has answered
	}{
		{nil, demand},
		{[]string{"--login", "ada", "--password-file", right}, ""},
		{[]string{"--login", "ada", "--password-file", wrong}, "401 Unauthorized: login or passcode is not right; the endpoint demands one of ops.login"},
		{[]string{"--token-file", good}, ""},
		{[]string{"--token-file", other}, `401 Unauthorized: token has another "role" than is asked for; the endpoint demands one of ops.login`},
		{[]string{"--login", "ada"}, "--login and --password-file go together"},
		{[]string{"--login", "ada", "--password-file", right, "--token-file", good}, "give either --login or --token-file"},
		{[]string{"--login", "ada", "--password-file", "absent"}, "--password-file: open absent: no such file or directory"},
	} {
		for _, command := range commands {
			_, _, stderr := s.command(append(command[:len(command):len(command)], test.flags...)...)
			if test.stderr == "" && strings.Contains(stderr, "401") || !strings.Contains(stderr, test.stderr) {
				t.Errorf("%s %s: %s", command[0], test.flags, stderr)
			}
			wantHidden(t, stderr, nil)
		}
	}
	s.environ = append(s.environ, tokenVariable+"="+s.operatorToken())
	if code, out, stderr := s.command("memory"); code != exitOK || !strings.Contains(out, "names") {
		t.Errorf("with the variable: code %d, %s", code, stderr)
	}
	if code, _, stderr := s.command("healthcheck"); code != exitOK {
		t.Errorf("healthcheck needs a login: %s", stderr)
	}

	setOperator(t, file, "ada", "another")
	put("wrong", "another")
	bridgetest.Eventually(t, "the reload", func() bool { return len(s.log.Lines("msg=reloaded")) > 0 })
	if code, _, stderr := s.command("memory", "--login", "ada", "--password-file", wrong); code != exitOK {
		t.Errorf("the new password: code %d, %s", code, stderr)
	}
	if code, _, _ := s.command("memory", "--login", "ada", "--password-file", right); code == exitOK {
		t.Error("the old password is still good")
	}
}

// operatorLogins tries secrets in every place where an operator may put one, and in some where none
// belongs.
func (r *running) operatorLogins(secrets []string) {
	r.t.Helper()
	base := "http://" + r.ops
	ask := func(method, path string, body io.Reader, header, value string) {
		q, err := http.NewRequest(method, base+path, body)
		if err != nil {
			return // a header that holds this is no request
		}
		if header != "" {
			q.Header.Set(header, value)
		}
		if answer, err := http.DefaultClient.Do(q); err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			wantHidden(r.t, string(text), nil)
		}
	}
	for _, secret := range secrets {
		for _, path := range []string{"/sessions", "/console/", "/console/api/state"} {
			ask("GET", path, nil, "Authorization", "Bearer "+secret)
			ask("GET", path, nil, "Authorization", "Basic "+secret)
			ask("GET", path, nil, "Cookie", "mqtt-stomp-bridge="+secret)
		}
		for _, form := range []url.Values{{"user": {"ada"}, "password": {secret}}, {"user": {secret}, "password": {secret}}, {"token": {secret}}} {
			ask("POST", "/console/login", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
			ask("POST", "/reread?filter=a", strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
		}
	}
}

// The log at debug, the answers and the metrics hold nothing that an operator has shown, right or
// wrong, nor a hash of the file, also where that has mistakes.
func TestSecretsOfOperatorsAreNotPrinted(t *testing.T) {
	t.Parallel()
	s, file := startDemanding(t)
	token := s.operatorToken()
	secrets := []string{operatorPassword, mistyped, opaque, token, sign(t, otherKey, time.Now())}
	s.operatorLogins(secrets)
	hashes := readText(t, file)
	write(t, file, hashes+"eve:"+mistyped+"\nbob:$6$c2FsdA==$"+mistyped+"\n"+mistyped+"\n")
	bridgetest.Eventually(t, "the refusal", func() bool { return strings.Contains(s.log.String(), "reload refused") })
	_, stdout, stderr := s.command("check")
	for _, line := range []int{2, 3, 4} {
		if !strings.Contains(stderr, fmt.Sprintf("%s:%d:1: ", file, line)) {
			t.Errorf("check does not name line %d:\n%s", line, stderr)
		}
	}
	text := s.log.String() + stdout + stderr + bridgetest.Metrics(s.ops)
	wantHidden(t, text, []string{token})
	for _, part := range strings.FieldsFunc(hashes, func(r rune) bool { return r == '$' || r == '\n' })[3:] { // salt and hash
		if strings.Contains(text, part) {
			t.Errorf("a part of a hash is printed: %s", part)
		}
	}
}

// The page to log in, in a browser: by a password and by a token, wrong and right, and out again.
func TestLoginPage(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	s, _ := startDemanding(t)
	looks := func(name string) {
		for _, dark := range []bool{false, true} {
			for _, width := range []int{360, 768, 1440} {
				tab.look(name, width, dark)
			}
		}
	}
	tab.do(order{"open": "http://" + s.ops + "/"})
	tab.await("h2", "Log in with a password")
	looks("login")
	tab.do(order{"fill": [2]string{"User", "ada"}})
	tab.do(order{"fill": [2]string{"Password", mistyped}})
	tab.do(order{"press": "Log in"})
	tab.await("[role=alert]", "The user or the password is not right.")
	looks("login-refused")
	tab.do(order{"fill": [2]string{"User", "ada"}})
	tab.do(order{"fill": [2]string{"Password", operatorPassword}})
	tab.do(order{"press": "Log in"})
	tab.await("nav", "Overview")

	tab.do(order{"open": "http://" + s.ops + "/console/login?next=/console/%3Fa=b"})
	tab.do(order{"fill": [2]string{"Token", s.token("grace")}})
	tab.do(order{"press": "Log in with this token"})
	tab.await("[role=alert]", `The token is not accepted: token has another "role" than is asked for.`)
	tab.do(order{"fill": [2]string{"Token", s.operatorToken()}})
	tab.do(order{"press": "Log in with this token"})
	tab.await(".who", "grace")
	looks("logged-in")
	tab.do(order{"press": "Log out"})
	tab.await("h2", "Log in with a token")
}

// A page that is open when its session ends says so, and where to log in.
func TestLoggedOutWhileLooking(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	s, file := startDemanding(t)
	tab.do(order{"open": "http://" + s.ops + "/console/sessions"})
	logIn := func(password string) {
		tab.do(order{"fill": [2]string{"User", "ada"}})
		tab.do(order{"fill": [2]string{"Password", password}})
		tab.do(order{"press": "Log in"})
		tab.await("#state", "Ready")
		tab.await("h1", "Sessions")
	}
	logIn(operatorPassword)
	setOperator(t, file, "ada", "another")
	tab.await("#state a", "Log in again")
	tab.do(order{"open": "http://" + s.ops + "/console/login?next=%2Fconsole%2Fsessions"})
	logIn("another")
}

// The page of a console that is closed, in a browser that comes through a proxy.
func TestClosedPage(t *testing.T) {
	t.Parallel()
	tab := startBrowser(t)
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	s := startSidecar(t, documentRules, "BRIDGE_BROKER_URL=mqtt://"+broker.Addr)
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: s.ops})
		r.SetXForwarded()
	}})
	defer proxy.Close()
	tab.do(order{"open": proxy.URL + "/console/"})
	tab.await("h2", "The console is closed here")
	for _, dark := range []bool{false, true} {
		for _, width := range []int{360, 1440} {
			tab.look("closed", width, dark)
		}
	}
}
