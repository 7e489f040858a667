//go:build compose

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// go test -tags compose -run Compose ./plugin/sidecar
//
// It needs buildah, and a Docker engine with compose, whose images mqtt-stomp-bridge and
// eclipse-mosquitto:2.0 it replaces.

// A project is a directory with compose.yaml in it.
type project struct {
	t   *testing.T
	dir string
}

// newProject copies what a user has who has cloned the repository, with other ports on the host.
func newProject(t *testing.T) project {
	t.Helper()
	root := t.TempDir()
	p := project{t: t, dir: filepath.Join(root, "mosquitto")}
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"config.yaml", "mosquitto/mosquitto.conf", "mosquitto/acl", "mosquitto/compose.yaml"} {
		data, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		p.write(filepath.Join("..", file), string(data))
	}
	mqtt, stomp := mosquittotest.FreeAddr(t), mosquittotest.FreeAddr(t)
	compose := p.read("compose.yaml")
	for was, is := range map[string]string{
		"127.0.0.1:1883:1883": mqtt + ":1883",
		"127.0.0.1:8080:8080": stomp + ":8080",
		"pull_policy: build":  "pull_policy: never",
	} {
		if strings.Count(compose, was) != 1 {
			t.Fatalf("compose.yaml does not have %s", was)
		}
		compose = strings.Replace(compose, was, is, 1)
	}
	p.write("compose.yaml", compose)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := p.shell("docker compose ps; docker compose logs")
			t.Logf("%s", out)
		}
		p.shell("docker compose down --volumes")
	})
	return p
}

// write writes a file as it is after a clone: everybody may read it, the users of the containers
// too.
func (p project) write(file, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, file), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p project) read(file string) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

func (p project) shell(script string) (string, error) {
	c := exec.Command("bash", "-euo", "pipefail", "-c", script)
	c.Dir = p.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// noTerminal is what commands that are made for one need without it.
var noTerminal = strings.NewReplacer("sudo ", "", "docker compose exec ", "docker compose exec -T ")

// run runs commands of the page as they stand there, by root and without a terminal.
func (p project) run(commands string) string {
	p.t.Helper()
	out, err := p.shell(noTerminal.Replace(commands))
	if err != nil {
		p.t.Fatalf("%v:\n%s\n%s", err, commands, out)
	}
	return out
}

// makeMosquittoImage makes what stands in for eclipse-mosquitto:2.0: Debian's Mosquitto, with that
// image's paths, user and entry.
func (b builder) makeMosquittoImage(name string) {
	b.t.Helper()
	c := b.run("from", "scratch")
	b.copyPrograms(c, "/usr/sbin/mosquitto", "/usr/bin/mosquitto_sub", "/usr/bin/mosquitto_pub", "/usr/bin/mosquitto_passwd")
	empty := b.t.TempDir()
	for _, dir := range []string{"/mosquitto/config", "/mosquitto/data", "/tmp"} {
		b.run("copy", "--chown", "1883:1883", c, empty, dir)
	}
	b.run("config", "--env", "PATH=/usr/sbin:/usr/bin:/bin", "--volume", "/mosquitto/data",
		"--cmd", "/usr/sbin/mosquitto -c /mosquitto/config/mosquitto.conf", c)
	b.run("commit", "--format", "docker", c, name)
}

// load gives an image to the Docker engine.
func (b builder) load(name, as string) {
	b.t.Helper()
	archive := filepath.Join(b.t.TempDir(), "image.tar")
	b.run("push", name, "docker-archive:"+archive+":"+as)
	if out, err := exec.Command("docker", "load", "--input", archive).CombinedOutput(); err != nil {
		b.t.Fatalf("docker load: %v\n%s", err, out)
	}
}

// loaded are the images that an earlier test has given to the Docker engine, which keeps them.
var loaded = map[string]bool{}

// loadOnce has the image made and loaded, unless an earlier test has done that.
func (b builder) loadOnce(name, as string, make func()) {
	b.t.Helper()
	if loaded[as] {
		return
	}
	make()
	b.load(name, "docker.io/library/"+as)
	loaded[as] = true
}

func (b builder) loadBridge() {
	b.t.Helper()
	b.loadOnce("bridge-"+runtime.GOARCH, "mqtt-stomp-bridge:latest", func() { b.build(runtime.GOARCH) })
}

func (b builder) loadMosquitto() {
	b.t.Helper()
	b.loadOnce("mosquitto", "eclipse-mosquitto:2.0", func() { b.makeMosquittoImage("mosquitto") })
}

// What mosquitto/README.md says of compose, done to the letter: broker and bridge get healthy, an
// event reaches listen, the doctor is content, a mistake in a rule is named, and without its broker
// the bridge says so.
func TestCompose(t *testing.T) {
	mosquittotest.Look(t, "openssl")
	bridgetest.Need(t, "a Docker engine with compose", exec.Command("docker", "info").Run() == nil && exec.Command("docker", "compose", "version").Run() == nil)
	b := newBuilder(t)
	b.loadBridge()
	b.loadMosquitto()

	page, err := os.ReadFile("../../mosquitto/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## With compose\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 6 {
		t.Fatalf("the page has %d blocks of commands, want start, listen, event, doctor, reload of the broker, login for the console", len(blocks))
	}
	start, listen, event, doctor, reload, login := blocks[0][1], blocks[1][1], blocks[2][1], blocks[3][1], blocks[4][1], blocks[5][1]
	p := newProject(t)
	p.run(start)
	if out := p.run("docker compose ps"); strings.Count(out, "(healthy)") != 2 {
		t.Errorf("not both are healthy:\n%s", out)
	}
	p.run("(" + strings.TrimSpace(listen) + " -C 1) >listened 2>&1 &")
	bridgetest.Eventually(t, "an event to reach listen", func() bool {
		p.run(event)
		return strings.Contains(p.read("listened"), "/queue/message\t{")
	})
	if out := p.run(doctor); !strings.Contains(out, " 0 warn, 0 fail") {
		t.Errorf("the doctor says:\n%s", out)
	}
	p.run(reload)
	p.console(login)

	p.write("bridge/new", strings.Replace(p.read("bridge/config.yaml"), "queue: /queue/message", "queue: /queue/massage", 1))
	p.run("mv bridge/new bridge/config.yaml")
	bridgetest.Eventually(t, "the mistake to be named", func() bool {
		return strings.Contains(p.run("docker compose logs bridge"), `reload refused, the configuration in force stays" reason="config.yaml:`)
	})
	healthcheck := func() (string, error) { return p.shell("docker compose exec -T bridge mqtt-stomp-bridge healthcheck") }
	p.run("docker compose stop broker")
	bridgetest.Eventually(t, "the bridge to say so", func() bool {
		out, err := healthcheck()
		return err != nil && strings.Contains(out, "not ready: mqtt: ")
	})
	p.run("docker compose start broker")
	bridgetest.Eventually(t, "the bridge to be back", func() bool {
		_, err := healthcheck()
		return err == nil
	})
}

// console does what the page says of the console, and expects that it lets in whoever has the
// password, and nobody else.
func (p project) console(login string) {
	p.t.Helper()
	p.run(strings.NewReplacer("run --rm -it ", "run --rm ", "mosquitto_passwd -c /work/operators ada", "mosquitto_passwd -b -c /work/operators ada secret").Replace(login))
	addr := mosquittotest.FreeAddr(p.t)
	compose := p.read("compose.yaml")
	for was, is := range map[string]string{
		`"] # for the console, add "127.0.0.1:9464:9464"`: `", "` + addr + `:9464"]`,
		"# BRIDGE_OPS_L": "BRIDGE_OPS_L",
	} {
		if !strings.Contains(compose, was) {
			p.t.Fatalf("compose.yaml does not have %s", was)
		}
		compose = strings.ReplaceAll(compose, was, is)
	}
	p.write("compose.yaml", compose)
	p.run("docker compose up -d --wait")
	status := func(credentials string) string {
		return p.run("curl -s -o page -w '%{http_code}' " + credentials + " http://" + addr + "/console/")
	}
	if got := status("-u ada:secret"); got != "200" || !strings.Contains(p.read("page"), "The way of events") {
		p.t.Errorf("the console answers %s to its operator:\n%s", got, p.read("page"))
	}
	for _, credentials := range []string{"", "-u ada:wrong"} {
		if got := status(credentials); got != "401" {
			p.t.Errorf("the console answers %s to a request with %q", got, credentials)
		}
	}
}
