package disk_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// TestFileTakenAway does to the file of an open log what operators and their scripts do. The log
// ends by itself within seconds, says why, and takes nothing more.
func TestFileTakenAway(t *testing.T) {
	const moved = "removed, renamed or replaced"
	for _, test := range []struct {
		name string
		do   func(t *testing.T, dir, backup string)
		want string // in the error
	}{
		{"removed", func(t *testing.T, dir, _ string) { must(t, os.Remove(dbPath(dir))) }, moved},
		{"renamed", func(t *testing.T, dir, _ string) { must(t, os.Rename(dbPath(dir), dbPath(dir)+".bak")) }, moved},
		{"replaced by a backup", func(t *testing.T, dir, backup string) { must(t, os.Rename(backup, dbPath(dir))) }, moved},
		{"the directory removed", func(t *testing.T, dir, _ string) { must(t, os.RemoveAll(dir)) }, moved},
		{"the directory renamed", func(t *testing.T, dir, _ string) { must(t, os.Rename(dir, dir+".bak")) }, moved},
		{"overwritten by a backup", func(t *testing.T, dir, backup string) { overwrite(t, dbPath(dir), mustRead(t, backup)) }, "damaged"},
		{"made empty", func(t *testing.T, dir, _ string) { must(t, os.Truncate(dbPath(dir), 0)) }, "damaged"},
		{"its head overwritten", func(t *testing.T, dir, _ string) { overwrite(t, dbPath(dir), make([]byte, 8192)) }, "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "journal")
				l := mustOpen(t, disk.Options{Dir: dir})
				ids{}.give(t, l, 3)
				backup := filepath.Join(t.TempDir(), "backup")
				mustWrite(t, backup, mustRead(t, dbPath(dir)))
				ids{}.give(t, l, 3)
				w := mustLead(t, l)

				test.do(t, dir, backup)
				time.Sleep(5 * time.Second)
				select {
				case <-l.Done():
				default:
					t.Fatal("not noticed")
				}
				<-w.Done()
				if err := l.Err(); !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dbPath(dir)) {
					t.Errorf("the log has ended by %v, want %q and the file's name", err, test.want)
				}
				if err := w.Append(t.Context(), journal.Batch{}); err == nil {
					t.Error("Append succeeded")
				}
				if err := l.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// TestBackupOverOpenFile appends right after the file was overwritten by its backup: nothing is
// written into that.
func TestBackupOverOpenFile(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, disk.Options{Dir: dir})
	defer l.Close()
	ids{}.give(t, l, 3)
	backup := mustRead(t, dbPath(dir))
	ids{}.give(t, l, 3)
	overwrite(t, dbPath(dir), backup)
	if err := appendTo(t.Context(), l, journal.Batch{Entries: []journal.Entry{{Queue: "q"}}}); err == nil {
		t.Error("Append succeeded")
	}
	if got := mustRead(t, dbPath(dir)); !bytes.Equal(got[:len(backup)], backup) {
		t.Error("the backup was written to")
	}
}

// TestFileStays leaves the file where it is, and does what a running log does not mind.
func TestFileStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := mustOpen(t, disk.Options{Dir: dir})
		for range 20 {
			ids{}.give(t, l, 20)
			must(t, os.Chtimes(dbPath(dir), time.Time{}, time.Now()))
			time.Sleep(time.Second)
		}
		if err := l.Err(); err != nil {
			t.Errorf("the log has ended: %v", err)
		}
		mustClose(t, l)
	})
}

// TestDamageWhileOpen overwrites pages of an open log. Reading and appending give errors or what
// was written, but nothing panics, and the log can be closed.
func TestDamageWhileOpen(t *testing.T) {
	source := t.TempDir()
	want := smallLog(t, source)
	file := mustRead(t, dbPath(source))
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, damage := range map[string]func(page []byte){
		"zeros":                func(page []byte) { clear(page) },
		"ones":                 func(page []byte) { copy(page, bytes.Repeat([]byte{0xff}, len(page))) },
		"noise":                func(page []byte) { copy(page, noise) },
		"noise after the head": func(page []byte) { copy(page[16:], noise) },
		"another number":       func(page []byte) { page[0] ^= 1 },
		"another kind":         func(page []byte) { page[8] ^= 3 },
		"no elements":          func(page []byte) { page[10], page[11] = 0, 0 },
		"too many elements":    func(page []byte) { page[10], page[11] = 0xff, 0xff },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustWrite(t, dbPath(dir), file)
			var ended int
			for first := 0; first < 12; first++ { // every twelfth page at a time
				mustWrite(t, dbPath(dir), file)
				leaveMarker(t, dir, false)
				l := mustOpen(t, smallOptions(dir))
				changed := slices.Clone(file)
				for page := first * 4096; page < len(used(file)); page += 12 * 4096 {
					damage(changed[page:][:4096])
				}
				overwrite(t, dbPath(dir), changed)
				if got, err := read(l); err == nil && diff(contents{Entries: want.Entries}, contents{Entries: got.Entries}) != "" {
					t.Error("entries were read that are not those that were written")
				}
				for range 3 {
					e := journal.Entry{Time: received, Queue: "/queue/unread-count", Key: "conversation/1"}
					if err := appendTo(t.Context(), l, journal.Batch{Entries: []journal.Entry{e}, Drop: []string{"digest"}}); err != nil {
						ended++
						break
					}
				}
				l.Close()
			}
			t.Logf("of 12 logs %d have ended", ended)
		})
	}
}

// overwrite writes into the file that is there.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(b, 0)
	must(t, err)
	must(t, f.Close())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
