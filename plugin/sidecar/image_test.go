package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// imageUser is whom the image runs as.
const imageUser = 10001

// An image is what the Dockerfile makes.
type image struct {
	root   string // where its files are mounted
	config imageConfig
}

// An imageConfig is what an image says of itself, as far as Docker acts on it.
type imageConfig struct {
	User         string
	WorkingDir   string
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Healthcheck  struct{ Test []string }
	Volumes      map[string]struct{}
	ExposedPorts map[string]struct{}
	Labels       map[string]string
}

// A builder makes images with buildah, which needs no daemon.
type builder struct {
	t       *testing.T
	storage string
}

func newBuilder(t *testing.T) builder {
	t.Helper()
	mosquittotest.Look(t, "buildah")
	bridgetest.Need(t, "root, to mount images", os.Getuid() == 0)
	b := builder{t, t.TempDir()}
	t.Cleanup(func() {
		b.run("rm", "--all")
		b.run("rmi", "--all", "--force")
	})
	return b
}

// run runs a command of buildah and returns what it prints.
func (b builder) run(args ...string) string {
	b.t.Helper()
	c := exec.Command("buildah", append([]string{"--storage-driver", "vfs", "--root", b.storage + "/root", "--runroot", b.storage + "/run"}, args...)...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		b.t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return strings.TrimSpace(out.String())
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// library finds the files that ldd names.
var library = regexp.MustCompile(`/\S+`)

// copyPrograms copies programs of this machine, with the libraries that they need, into a
// container.
func (b builder) copyPrograms(container string, programs ...string) {
	b.t.Helper()
	needed := map[string]bool{}
	for _, program := range programs {
		needed[program] = true
		libraries, err := exec.Command("ldd", program).Output()
		if err != nil {
			b.t.Fatalf("ldd %s: %v", program, err)
		}
		for _, file := range library.FindAllString(string(libraries), -1) {
			needed[file] = true
		}
	}
	for file := range needed {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			b.t.Fatal(err)
		}
		b.run("copy", container, real, file)
	}
}

// makeGoImage makes what stands in for golang:1.26: a shell, certificates, and this machine's Go,
// which build mounts. It says that it is of the architecture, since buildah 1.28 looks for one like
// the target's.
func (b builder) makeGoImage(arch string) {
	b.t.Helper()
	c := b.run("from", "scratch")
	b.run("copy", c, b.t.TempDir(), "/tmp")
	b.copyPrograms(c, "/bin/sh", "/bin/mkdir")
	b.run("copy", c, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt")
	config := []string{"config", "--arch", arch, "--env", "PATH=/go/bin:/bin", "--env", "GOROOT=/go", "--env", "GOPATH=/path", "--env", "GOCACHE=/cache"}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB"} {
		config = append(config, "--env", name+"="+goEnv(b.t, name))
	}
	b.run(append(config, c)...)
	b.run("commit", c, "go-"+arch)
}

// build makes the image for the architecture and mounts it.
func (b builder) build(arch string) image {
	b.t.Helper()
	b.makeGoImage(arch)
	name := "bridge-" + arch
	b.run("bud", "--pull-never", "--isolation", "chroot", "--network", "host", "--format", "docker", "--platform", "linux/"+arch,
		"--volume", goEnv(b.t, "GOROOT")+":/go:ro", "--volume", goEnv(b.t, "GOMODCACHE")+":/path/pkg/mod", "--volume", goEnv(b.t, "GOCACHE")+":/cache",
		"--build-arg", "GO_IMAGE=localhost/go-"+arch, "--build-arg", "VERSION=1.2.3", "--tag", name, "../..")
	var said struct{ Docker struct{ Config imageConfig } }
	if err := json.Unmarshal([]byte(b.run("inspect", "--type", "image", name)), &said); err != nil {
		b.t.Fatal(err)
	}
	c := b.run("from", "--pull-never", "--platform", "linux/"+arch, name)
	return image{b.run("mount", c), said.Docker.Config}
}

// files lists what is there: mode, owner and path.
func (i image) files(t *testing.T) (list []string, size int64) {
	t.Helper()
	err := filepath.WalkDir(i.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == i.root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			size += info.Size()
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		list = append(list, fmt.Sprintf("%v %d %s", info.Mode(), owner, strings.TrimPrefix(path, i.root)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, size
}

// command is one that Docker would run in a container of the image.
func (i image) command(ctx context.Context, environ []string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir, c.Env = i.config.WorkingDir, append(slices.Clone(i.config.Env), environ...)
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
	return c
}

// The image holds one static program and what that needs, for both kinds of machines, and runs it
// as a user of its own.
func TestImage(t *testing.T) {
	t.Parallel()
	b := newBuilder(t)
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	for arch, machine := range machines {
		i := b.build(arch)
		got, size := i.files(t)
		want := []string{
			"drwxr-xr-x 10001 /data",
			"drwxr-xr-x 0 /etc",
			"drwxr-xr-x 0 /etc/mqtt-stomp-bridge",
			"-rw-r--r-- 0 /etc/mqtt-stomp-bridge/config.yaml",
			"drwxr-xr-x 0 /etc/ssl",
			"drwxr-xr-x 0 /etc/ssl/certs",
			"-rw-r--r-- 0 /etc/ssl/certs/ca-certificates.crt",
			"drwxr-xr-x 10001 /tmp",
			"drwxr-xr-x 0 /usr",
			"drwxr-xr-x 0 /usr/local",
			"drwxr-xr-x 0 /usr/local/bin",
			"-rwxr-xr-x 0 /usr/local/bin/mqtt-stomp-bridge",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", arch, diff)
		}
		if t.Logf("%s: %d bytes", arch, size); size > 30e6 {
			t.Errorf("%s: the files take %d bytes, more than 30 MB", arch, size)
		}
		program, err := elf.Open(filepath.Join(i.root, "usr/local/bin/mqtt-stomp-bridge"))
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		dynamic := slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC })
		if program.Machine != machine || dynamic {
			t.Errorf("%s: the program is for %v, dynamic: %v", arch, program.Machine, dynamic)
		}
		delete(i.config.Labels, "io.buildah.version")
		config := imageConfig{
			User:         "10001:10001",
			WorkingDir:   "/etc/mqtt-stomp-bridge",
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "BRIDGE_SERVER_LISTEN=0.0.0.0:8080", "BRIDGE_JOURNAL_DIR=/data"},
			Entrypoint:   []string{"/usr/local/bin/mqtt-stomp-bridge"},
			Cmd:          []string{"serve"},
			Volumes:      map[string]struct{}{"/data": {}},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Labels: map[string]string{
				"org.opencontainers.image.title":       "mqtt-stomp-bridge",
				"org.opencontainers.image.description": "Maps MQTT events onto four STOMP-over-WebSocket queues, beside Mosquitto",
				"org.opencontainers.image.licenses":    "Apache-2.0",
				"org.opencontainers.image.version":     "1.2.3",
			},
		}
		config.Healthcheck.Test = []string{"CMD", "/usr/local/bin/mqtt-stomp-bridge", "healthcheck"}
		if diff := cmp.Diff(config, i.config); diff != "" {
			t.Errorf("%s: configuration (-want +got):\n%s", arch, diff)
		}
		if arch == runtime.GOARCH {
			i.testRun(t)
		}
	}
}

// testRun runs the image's own commands among the image's files: it gets healthy, delivers an event
// by the configuration that it ships, and leaves nothing but the journal behind.
func (i image) testRun(t *testing.T) {
	mosquittotest.Look(t, "mosquitto_pub")
	broker := mosquittotest.Start(t, mosquittotest.Options{})
	ops := mosquittotest.FreeAddr(t)
	environ := []string{
		"BRIDGE_BROKER_URL=mqtt://" + broker.Addr, "BRIDGE_SERVER_LISTEN=" + mosquittotest.FreeAddr(t), "BRIDGE_OPS_LISTEN=" + ops,
		"BRIDGE_AUTH_JWT_SECRET=" + bridgetest.Secret, "BRIDGE_LOG_LEVEL=debug",
	}
	before, _ := i.files(t)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := bridgetest.Start(t, i.command(ctx, environ, append(i.config.Entrypoint, i.config.Cmd...)...), ops)
	bridgetest.Eventually(t, "the image's healthcheck", func() bool {
		return i.command(ctx, environ, i.config.Healthcheck.Test[1:]...).Run() == nil
	})
	var out bridgetest.Buffer
	listen := i.command(ctx, environ, append(i.config.Entrypoint, "listen", "-u", "me", "-C", "1")...)
	listen.Stdout, listen.Stderr = &out, &out
	if err := listen.Start(); err != nil {
		t.Fatal(err)
	}
	bridgetest.Eventually(t, "listen to be subscribed", func() bool { return len(serve.Log.Lines("msg=subscribed")) == 4 })
	publish(t, broker.Addr, "-t", "chat/whatsapp/42/message", "-m", `{"id": 7, "from": "customer", "content": {"text": "Hello"}}`)
	if err := listen.Wait(); err != nil || !strings.HasPrefix(out.String(), "/queue/message\t{") {
		t.Errorf("listen: %v, %s", err, &out)
	}
	serve.Stop()
	after, _ := i.files(t)
	after = slices.DeleteFunc(after, func(file string) bool { return slices.Contains(before, file) })
	if diff := cmp.Diff([]string{"-rw------- 10001 /data/journal.db"}, after); diff != "" {
		t.Errorf("what is there afterwards and was not before (-want +got):\n%s", diff)
	}
}
