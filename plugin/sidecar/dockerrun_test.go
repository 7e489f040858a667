//go:build compose

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// replaceOnce replaces old -> new in text, where each must be in there exactly once.
func replaceOnce(t *testing.T, text string, pairs map[string]string) string {
	t.Helper()
	for was, is := range pairs {
		if strings.Count(text, was) != 1 {
			t.Fatalf("%q is not there once:\n%s", was, text)
		}
		text = strings.Replace(text, was, is, 1)
	}
	return text
}

// What README.md says of a bridge beside a Mosquitto, done as it stands there, but for the test's
// own addresses and names: the container gets healthy, and an event reaches listen.
func TestDockerRun(t *testing.T) {
	mosquittotest.Look(t, "openssl")
	mosquittotest.Look(t, "mosquitto_pub")
	bridgetest.Need(t, "a Docker engine", exec.Command("docker", "info").Run() == nil)
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## In a container\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?m)(?:^    .*\n)+").FindAllString(section, -1)
	if len(blocks) != 3 {
		t.Fatalf("the page has %d blocks of commands, want start, listen, event", len(blocks))
	}

	b := newBuilder(t)
	b.loadBridge()
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	host, port, err := net.SplitHostPort(broker.Addr)
	if err != nil {
		t.Fatal(err)
	}
	const name = "mqtt-stomp-bridge-test"
	start := replaceOnce(t, blocks[0], map[string]string{
		"docker build -t mqtt-stomp-bridge .\n": "\n", // buildah has
		"--name bridge ":                        "--name " + name + " ",
		"-v mqtt-stomp-bridge:/data":            "-v " + name + ":/data",
		"mqtt://127.0.0.1:1883":                 "mqtt://" + broker.Addr,
		"BRIDGE_SERVER_LISTEN=127.0.0.1:8080":   "BRIDGE_SERVER_LISTEN=" + mosquittotest.FreeAddr(t) + " -e BRIDGE_OPS_LISTEN=" + mosquittotest.FreeAddr(t),
	})
	inside := "docker exec " + name
	listen := replaceOnce(t, blocks[1], map[string]string{"docker exec -it bridge": inside, "listen -u me": "listen -u me -C 1"})
	event := replaceOnce(t, blocks[2], map[string]string{"mosquitto_pub": "mosquitto_pub -h " + host + " -p " + port})

	p := project{t: t, dir: t.TempDir()}
	config, err := os.ReadFile(filepath.Join("../..", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write("config.yaml", string(config))
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := os.ReadFile(filepath.Join(p.dir, "served"))
			t.Logf("docker run:\n%s", out)
		}
		p.shell("docker rm --force " + name + "; docker volume rm " + name)
	})
	p.run("umask 077\n(" + start + ") >served 2>&1 &")
	bridgetest.Eventually(t, "the container to be healthy", func() bool {
		_, err := p.shell(inside + " mqtt-stomp-bridge healthcheck")
		return err == nil
	})
	p.run("(" + listen + ") >listened 2>&1 &")
	bridgetest.Eventually(t, "an event to reach listen", func() bool {
		p.run(event)
		return strings.Contains(p.read("listened"), "/queue/message\t{")
	})
}
