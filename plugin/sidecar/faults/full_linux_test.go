package faults_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"mqtt-stomp-bridge/bridge/bridgetest"
)

// A full disk: appends stop, acknowledgements stop, readiness says so, and the bridge leaves the
// broker on purpose, which keeps the events. When there is room it goes on by itself, also where it
// was ended meanwhile.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "24m")
	s := start(t, options{dir: filepath.Join(disk, "journal")})
	ballast := filepath.Join(disk, "ballast")
	for _, end := range []syscall.Signal{0, syscall.SIGKILL, syscall.SIGTERM} {
		s.load()
		left := s.left()
		fill(t, ballast)
		s.bridge.waitNotReady("journal: no room to write")
		bridgetest.Eventually(t, "the bridge to leave the broker", func() bool { return s.left() > left })
		sessions := s.sessions()
		s.published(200) // Mosquitto keeps them for the bridge
		if s.sessions() != sessions {
			t.Error("the bridge has come back although there is no room")
		}
		if end != 0 {
			if code := s.bridge.process.End(end); end == syscall.SIGTERM && code != 0 {
				t.Errorf("exit code %d after SIGTERM", code)
			}
			s.bridge.start()
			s.bridge.waitNotReady("journal: no room to write")
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		s.bridge.process.WaitReady()
		s.flow()
	}
	s.finish("full disk: 3 x, with a SIGKILL and a SIGTERM meanwhile").exact()
}

// Mosquitto 2.1 names the address too.
var goodbye = regexp.MustCompile(`Client mqtt-stomp-bridge (\[.*\] )?disconnected\.`)

// left returns how many times the bridge has said goodbye to the broker.
func (s *system) left() int {
	return len(goodbye.FindAllString(s.broker.Log(), -1))
}

// fill takes all the room there is.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// smallDisk mounts a tmpfs of the size, which needs root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	bridgetest.Need(t, "root, to mount a small disk", syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size) == nil)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}
