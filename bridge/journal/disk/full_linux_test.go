package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// filler returns the n-th batch of those that fill a disk.
func filler(n int) journal.Batch {
	return journal.Batch{
		Entries: []journal.Entry{
			{Time: received, Queue: "/queue/message", Body: fmt.Appendf(bytes.Repeat([]byte("x"), 8000), "%d", n)},
			{Time: received, Queue: "/queue/unread-count", Key: fmt.Sprint("conversation/", n%10), Body: fmt.Append(nil, n)},
		},
		Records: []journal.Record{{Name: fmt.Sprint("batch/", n)}},
	}
}

// fill appends until there is no room, and returns the number of batches that were taken.
func fill(l journal.Log) (n int, err error) {
	for ; err == nil; n++ {
		err = appendTo(context.Background(), l, filler(n))
	}
	if n--; !errors.Is(err, journal.ErrFull) {
		return n, fmt.Errorf("batch %d: Append = %w, want ErrFull", n, err)
	}
	return n, nil
}

// checkFilled reports whether the log has n batches of fill, and nothing of any other.
func checkFilled(l journal.Log, n int) error {
	got, err := read(l)
	if err != nil {
		return err
	}
	if got.Bounds.First != 1 || got.Bounds.Last != uint64(2*n) || len(got.Entries) != 2*n || len(got.Records) != n {
		return fmt.Errorf("%d to %d, %d entries and %d records, want those of %d batches",
			got.Bounds.First, got.Bounds.Last, len(got.Entries), len(got.Records), n)
	}
	for i, e := range got.Entries {
		if want := filler(i / 2).Entries[i%2]; !bytes.Equal(e.Body, want.Body) {
			return fmt.Errorf("position %d has another body", e.Position)
		}
	}
	for i, e := range got.Newest {
		if want := uint64(2*n - 18 + 2*i); e.Position != want {
			return fmt.Errorf("the newest of %s is %d, want %d", e.Key, e.Position, want)
		}
	}
	return nil
}

// TestDiskFull fills a small disk, makes room, and goes on.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t, "4m")
	ballast := filepath.Join(dir, "ballast")
	mustWrite(t, ballast, make([]byte, 1<<20))
	o := disk.Options{Dir: filepath.Join(dir, "journal")}
	l := mustOpen(t, o)
	followed := 0
	l.Follow(func(e []journal.Entry) { followed += len(e) })

	n, err := fill(l)
	if err != nil {
		t.Fatal(err)
	}
	w := mustLead(t, l)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := filler(n)
			if err := w.Append(t.Context(), b); !errors.Is(err, journal.ErrFull) {
				t.Errorf("Append = %v, want ErrFull", err)
			}
			if p := b.Entries[0].Position; p != 0 {
				t.Errorf("an entry that was not taken has position %d", p)
			}
		})
	}
	wg.Wait()
	w.Resign()
	if err := checkFilled(l, n); err != nil {
		t.Errorf("full: %v", err)
	}
	if followed != 2*n {
		t.Errorf("followed %d entries, want %d", followed, 2*n)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := appendTo(t.Context(), l, filler(n)); err != nil {
			t.Fatalf("with room again: Append: %v", err)
		}
		n++
	}
	if err := checkFilled(l, n); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	l = mustOpen(t, o)
	if err := checkFilled(l, n); err != nil {
		t.Errorf("opened again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// smallDisk mounts a tmpfs of the size, which needs root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("BRIDGE_TEST_REQUIRE") == "1" {
			t.Fatalf("mounting a small disk: %v", err)
		}
		t.Skipf("a full disk is not tested: mounting a small one needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

const limitedEnv = "DISK_TEST_FILE_SIZE"

// TestFileTooLarge runs into the limit for the size of a file, which is raised then. The limit is
// of a process, so it is a child's.
func TestFileTooLarge(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), limitedEnv+"="+t.TempDir())
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func appendWithinFileSize(dir string) {
	if err := tryWithinFileSize(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func tryWithinFileSize(dir string) error {
	l, err := disk.Open(context.Background(), disk.Options{Dir: dir})
	if err != nil {
		return err
	}
	if err := limitFiles(1 << 20); err != nil {
		return err
	}
	n, err := fill(l)
	if err != nil {
		return err
	}
	if err := checkFilled(l, n); err != nil {
		return err
	}
	if err := limitFiles(1 << 30); err != nil {
		return err
	}
	if err := appendTo(context.Background(), l, filler(n)); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return errors.Join(checkFilled(l, n+1), l.Close())
}

func limitFiles(size uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(size, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}
