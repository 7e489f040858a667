package packaging_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/bridgetest"
	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// debian is the release whose root the packages are installed in; its packages wait there to be
// installed, so that the container needs no network.
const (
	debian   = "bookworm"
	included = "systemd,systemd-sysv,sudo,passwd"
	waiting  = "mosquitto mosquitto-clients openssl ca-certificates"
)

// A machine is a fresh Debian that boots in a container with a network of its own, with a user ada
// who may become root.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	t.Helper()
	for _, program := range []string{"mmdebstrap", "systemd-nspawn", "dpkg-deb"} {
		mosquittotest.Look(t, program)
	}
	bridgetest.Need(t, "root, to start a container", os.Getuid() == 0)
	m := machine{t, t.TempDir()}
	command(t, ".", "tar", "-x", "-C", m.root, "-f", debianRoot(t))
	m.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 debian\n") // sudo looks its host up
	m.write("etc/hostname", "debian\n")
	return m
}

// debianRoot returns the archive of a root of Debian, which is made once for a cache of Go's.
func debianRoot(t *testing.T) string {
	t.Helper()
	name := strings.NewReplacer(" ", "-", ",", "-").Replace("mqtt-stomp-bridge-" + debian + "-2-" + included + "-" + waiting + ".tar")
	archive := filepath.Join(strings.TrimSpace(command(t, ".", "go", "env", "GOCACHE")), name)
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	made := filepath.Join(t.TempDir(), "root.tar")
	command(t, ".", "mmdebstrap", "--quiet", "--variant=minbase", "--include="+included, "--skip=cleanup/apt",
		"--customize-hook=chroot \"$1\" apt-get install --yes --download-only -o APT::Install-Recommends=true "+waiting,
		"--customize-hook=chroot \"$1\" useradd --create-home --shell /bin/bash ada",
		"--customize-hook=echo 'ada ALL=(ALL:ALL) NOPASSWD: ALL' > \"$1/etc/sudoers.d/ada\"",
		debian, made)
	command(t, ".", "mv", made, archive+".new")
	if err := os.Rename(archive+".new", archive); err != nil {
		t.Fatal(err)
	}
	return archive
}

// A step is what somebody does on the machine, and what they then see.
type step struct {
	name  string
	shell string   // its commands; bash -eu runs them
	as    string   // the user, who begins at home; "": root, in /home/ada
	want  []string // regular expressions of what is printed
	never []string
}

// prelude comes before each step's commands: what they show of the service, its files and its user.
const prelude = `exec 2>&1
set -euo pipefail
conf=/etc/mqtt-stomp-bridge/config.yaml
status() {
	sudo systemctl show -P ActiveState mqtt-stomp-bridge
	sudo systemctl is-enabled mqtt-stomp-bridge || true
}
files() {
	for f in $conf /etc/mqtt-stomp-bridge/jwt_secret /var/lib/mqtt-stomp-bridge /var/lib/mqtt-stomp-bridge/journal.db; do
		sudo test ! -e $f || sudo stat -c '%n %U %a' $f
	done
}
user() { getent passwd mqtt-stomp-bridge || echo no user; }
pid() { systemctl show -P MainPID mqtt-stomp-bridge; }
`

// stepsUnit runs the steps when all else has started, and ends the machine.
const stepsUnit = `[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /steps/run
ExecStopPost=/bin/systemctl --force poweroff
[Install]
WantedBy=default.target
`

// run boots the machine, does the steps and checks what each has printed. The first that fails is
// the last.
func (m machine) run(steps []step) {
	t := m.t
	t.Helper()
	var script strings.Builder
	script.WriteString("cd /home/ada\n")
	for i, s := range steps {
		user := s.as
		if user == "" {
			user = "root"
		}
		m.write(fmt.Sprintf("steps/%d", i), prelude+s.shell+"\n")
		fmt.Fprintf(&script, "runuser -u %s -- bash /steps/%d >/steps/%d.out; code=$?; echo $code >/steps/%d.code; [ $code = 0 ] || exit\n", user, i, i, i)
	}
	m.write("steps/run", script.String())
	m.write("etc/systemd/system/steps.service", stepsUnit)
	command(t, m.root, "ln", "-sf", "graphical.target", "lib/systemd/system/default.target")
	command(t, m.root, "mkdir", "-p", "etc/systemd/system/default.target.wants")
	command(t, m.root, "ln", "-s", "../steps.service", "etc/systemd/system/default.target.wants/")

	boot := exec.CommandContext(t.Context(), "systemd-nspawn", "--quiet", "--boot", "--keep-unit", "--register=no", "--private-network", "--console=pipe",
		"--machine=mqtt-stomp-bridge-test-"+filepath.Base(filepath.Dir(m.root)), "--directory="+m.root)
	boot.WaitDelay = 10 * time.Second
	said, err := boot.CombinedOutput()
	for i, s := range steps {
		code, _ := os.ReadFile(filepath.Join(m.root, fmt.Sprintf("steps/%d.code", i)))
		if len(code) == 0 {
			t.Fatalf("%s: the machine has not come to it: %v\n%s", s.name, err, said)
		}
		out, _ := os.ReadFile(filepath.Join(m.root, fmt.Sprintf("steps/%d.out", i)))
		t.Logf("%s:\n%s", s.name, out)
		if string(code) != "0\n" {
			t.Fatalf("%s: exit code %s", s.name, code)
		}
		for _, want := range s.want {
			if !regexp.MustCompile("(?m)" + want).Match(out) {
				t.Errorf("%s: there is no %s", s.name, want)
			}
		}
		for _, never := range s.never {
			if found := regexp.MustCompile("(?m)" + never).Find(out); found != nil {
				t.Errorf("%s: there is %q", s.name, found)
			}
		}
	}
}

func (m machine) write(name, content string) {
	m.t.Helper()
	name = filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// next makes of the .deb another with a later version and another line in its configuration, and
// puts it where ada downloads to.
func (m machine) next(deb, version string) {
	t := m.t
	t.Helper()
	dir := t.TempDir()
	command(t, dir, "dpkg-deb", "--raw-extract", deb, "p")
	command(t, dir, "sed", "-i", "s/^Version: .*/Version: "+version+"/", "p/DEBIAN/control")
	command(t, dir, "sh", "-c", "echo '# of "+version+"' >>p/etc/mqtt-stomp-bridge/config.yaml")
	command(t, dir, "sed", "-i", `\#etc/mqtt-stomp-bridge/config.yaml#d`, "p/DEBIAN/md5sums")
	command(t, dir, "dpkg-deb", "--build", "-Znone", "p", m.root+"/home/ada/"+version+".deb")
}

// readmeBlocks are the blocks of commands in README.md below the heading.
func readmeBlocks(t *testing.T, heading string) []string {
	t.Helper()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?m)(?:^    .*\n)+").FindAllString(section, -1)
	if len(blocks) != 3 {
		t.Fatalf("README.md has %d blocks of commands below %s, want install, listen, event", len(blocks), heading)
	}
	return blocks
}

// What README.md says of a package, done as it stands there on a Debian that has neither the bridge
// nor a broker; then a reload, an upgrade over a changed configuration, a removal, an installation
// over what that has left, and a purge.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	deb := filepath.Join(release(t), "mqtt-stomp-bridge_1.0.0_amd64.deb")
	command(t, ".", "cp", deb, m.root+"/home/ada/")
	m.next(deb, "1.0.1")
	m.next(deb, "1.0.2")

	blocks := readmeBlocks(t, "Install")
	install, event := blocks[0], blocks[2]
	listen := strings.Replace(blocks[1], "listen ", "listen -C 1 ", 1)
	commands := 0
	for _, block := range blocks {
		commands += strings.Count(strings.ReplaceAll(block, "\\\n", ""), "\n")
	}
	t.Logf("README.md takes %d commands from nothing to an event", commands)

	m.run([]step{
		{name: "a purge of what was never there", shell: `
dpkg --purge mqtt-stomp-bridge
user`, want: []string{`no user`}},

		{name: "an installation beside nothing", shell: `
dpkg -i mqtt-stomp-bridge_1.0.0_amd64.deb
status; files; user`,
			want: []string{`not started`, `openssl rand -hex 32`, `^inactive\ndisabled`, `^\S+/config.yaml root 644`,
				`^mqtt-stomp-bridge:x:\d+:\d+:mqtt-stomp-bridge:/var/lib/mqtt-stomp-bridge:/usr/sbin/nologin`},
			never: []string{`^\S+/jwt_secret root`, `^/var/lib`}},

		{name: "its purge", shell: `
dpkg --purge mqtt-stomp-bridge
status; files
[ ! -e /etc/mqtt-stomp-bridge ]`, never: []string{`^/etc`, `^/var/lib`}},

		{name: "README: install", as: "ada", shell: `
cd
date +%s%N >began
{
` + install + `
} < <(yes 2>/dev/null)
status; files`,
			want: []string{`not started`, `^active\nenabled`, `^\S+/jwt_secret root 600`,
				`^/var/lib/mqtt-stomp-bridge mqtt-stomp-bridge 700\n\S+/journal.db mqtt-stomp-bridge 600`}},

		{name: "README: an event", as: "ada", shell: `
cd
(` + listen + `) >listened &
for i in {1..100}; do
` + event + `
	! grep -q . listened || break
	sleep 0.1
done
echo "$i events, $((($(date +%s%N) - $(cat began)) / 1000000)) ms"
cat listened`, want: []string{`^/queue/message\t\{.*Hello`}},

		{name: "the service", shell: `
systemd-analyze verify --man=no mqtt-stomp-bridge.service
echo verified
systemd-analyze security --no-pager --threshold=15 mqtt-stomp-bridge.service | tail -1
stat -c %U /proc/$(pid)
mqtt-stomp-bridge version
for i in {1..100}; do # it reads the retained messages first
	! mqtt-stomp-bridge healthcheck -c $conf || exit 0
	sleep 0.2
done
exit 1`,
			want: []string{`\Averified\n`, `^mqtt-stomp-bridge$`, `^mqtt-stomp-bridge 1\.0\.0 \(commit [0-9a-f]{40}, 20\d\d-.*Z, go`}},

		{name: "a reload", shell: `
systemctl reload mqtt-stomp-bridge
echo 'rulez: 1' >>$conf
if systemctl reload mqtt-stomp-bridge; then exit 1; fi
journalctl --no-pager -u mqtt-stomp-bridge | tail -20
sed -i '/^rulez/d' $conf
status`, want: []string{`unknown key "rulez"`, `^active`}},

		{name: "clients without a JSON Web Token", shell: `
mv /etc/mqtt-stomp-bridge/jwt_secret .
mkdir -p /etc/systemd/system/mqtt-stomp-bridge.service.d
cat >/etc/systemd/system/mqtt-stomp-bridge.service.d/override.conf <<END
[Service]
LoadCredential=
UnsetEnvironment=BRIDGE_AUTH_JWT_SECRET_FILE
Environment=BRIDGE_AUTH_ANONYMOUS=true
END
systemctl daemon-reload
systemctl restart mqtt-stomp-bridge
status
mv jwt_secret /etc/mqtt-stomp-bridge/
rm -r /etc/systemd/system/mqtt-stomp-bridge.service.d
systemctl daemon-reload
systemctl restart mqtt-stomp-bridge`, want: []string{`^active`}},

		{name: "an upgrade over a changed configuration, which asks", shell: `
echo '# of ada' >>$conf
pid >pid
echo N | dpkg -i 1.0.1.deb
status; files
tail -n 1 $conf
tail -n 1 $conf.dpkg-dist
[ $(pid) != $(cat pid) ] && echo restarted`,
			want:  []string{`Configuration file .*config\.yaml`, `keep your currently-installed`, `\? active\nenabled`, `^# of ada\n# of 1\.0\.1\nrestarted`},
			never: []string{`not started`}},

		{name: "an upgrade without anybody to ask", shell: `
DEBIAN_FRONTEND=noninteractive apt-get install -y -o Dpkg::Options::=--force-confold ./1.0.2.deb </dev/null
status; files
tail -n 1 $conf`, want: []string{`^active\nenabled`, `^# of ada$`, `^\S+/journal.db mqtt-stomp-bridge 600`}},

		{name: "a removal", shell: `
apt-get remove -y mqtt-stomp-bridge
status; files
tail -n 1 $conf`, want: []string{`^inactive`, `^# of ada$`, `^\S+/jwt_secret root 600`, `^\S+/journal.db mqtt-stomp-bridge 600`}},

		{name: "an installation over what is left", shell: `
usermod --comment 'of ada' mqtt-stomp-bridge
apt-get install -y ./1.0.2.deb
status; files; user
tail -n 1 $conf
systemctl enable --now mqtt-stomp-bridge
status`,
			want:  []string{`not started`, `^inactive\ndisabled`, `:of ada:`, `^# of ada$`, `^active\nenabled`},
			never: []string{`openssl rand`}},

		{name: "a purge", shell: `
apt-get purge -y mqtt-stomp-bridge
status; files; user
ls -A /etc/mqtt-stomp-bridge /etc/systemd/system/multi-user.target.wants`,
			want:  []string{`^\S+/jwt_secret root 600`, `^mqtt-stomp-bridge:x`},
			never: []string{`^active`, `config\.yaml (root|mqtt)`, `^/var/lib`, `^mqtt-stomp-bridge\.service`}},
	})
}
