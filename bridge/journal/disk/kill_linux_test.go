package disk_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/disk"
)

// The test binary is also the process that is killed: with childEnv set it appends until then.
const childEnv = "DISK_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childEnv) != "":
		appendUntilKilled(os.Getenv(childEnv), os.Getenv(childEnv+"_BYTES"))
	case os.Getenv(limitedEnv) != "":
		appendWithinFileSize(os.Getenv(limitedEnv))
	default:
		os.Exit(m.Run())
	}
}

const childWriters, childBatch = 4, 3

// appendUntilKilled prints the position and the text of every entry whose Append has returned.
func appendUntilKilled(dir, maxBytes string) {
	limit, err := strconv.ParseInt(maxBytes, 10, 64)
	if err != nil {
		panic(err)
	}
	l, err := disk.Open(context.Background(), disk.Options{Dir: dir, MaxBytes: limit})
	if err != nil {
		panic(err)
	}
	writer, err := l.Lead(context.Background())
	if err != nil {
		panic(err)
	}
	start := l.Bounds().Last
	var wg sync.WaitGroup
	for w := range childWriters {
		wg.Go(func() {
			for n := 0; ; n++ {
				var b journal.Batch
				name := fmt.Sprintf("%d.%d.%d", start, w, n)
				for i := range childBatch {
					b.Entries = append(b.Entries, journal.Entry{
						Time: received, Queue: "/queue/unread-count", Key: childKey(n),
						Body: fmt.Appendf(nil, "%s.%d", name, i),
					})
				}
				b.Records = []journal.Record{{Name: name}}
				if err := writer.Append(context.Background(), b); err != nil {
					panic(err)
				}
				var said strings.Builder
				for _, e := range b.Entries {
					fmt.Fprintf(&said, "%d %s-%s\n", e.Position, e.Body, l.Epoch(e.Position))
				}
				os.Stdout.WriteString(said.String())
			}
		})
	}
	wg.Wait()
}

func childKey(n int) string { return fmt.Sprint("conversation/", n%40) }

// TestKill kills a process that appends, again and again on the same log. What was acknowledged
// must be there, a batch with its record or not at all.
func TestKill(t *testing.T) {
	for _, test := range []struct {
		name     string
		maxBytes int64
	}{
		{"all kept", 64 << 20},
		{"trimming", 64 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := disk.Options{Dir: t.TempDir(), MaxBytes: test.maxBytes}
			acked := map[uint64]ack{} // by position
			for round := range 5 {
				runAndKill(t, o, 200+137*round, acked)
				checkAfterKill(t, o, acked)
			}
			t.Logf("%d entries acknowledged over 5 kills", len(acked))
		})
	}
}

// An ack is what the child has said of an entry.
type ack struct{ text, epoch string }

// runAndKill kills the child once it has acknowledged so many entries, and adds all that it
// acknowledged.
func runAndKill(t *testing.T, o disk.Options, entries int, acked map[uint64]ack) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+o.Dir, fmt.Sprintf("%s_BYTES=%d", childEnv, o.MaxBytes))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		var position uint64
		var text string
		if _, err := fmt.Sscan(lines.Text(), &position, &text); err != nil {
			continue // cut by the kill
		}
		if earlier, ok := acked[position]; ok {
			t.Fatalf("position %d was given to %s and to %s", position, earlier.text, text)
		}
		text, epoch, _ := strings.Cut(text, "-")
		acked[position] = ack{text, epoch}
		if n == entries {
			child.Process.Kill()
		}
	}
	child.Wait()
	if n < entries {
		t.Fatalf("the child ended after %d entries", n)
	}
}

func checkAfterKill(t *testing.T, o disk.Options, acked map[uint64]ack) {
	t.Helper()
	l := mustOpen(t, o)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	got, err := read(l)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]bool{}
	for _, r := range got.Records {
		records[r.Name] = true
	}
	kept := map[uint64]string{}
	newest := map[string]uint64{}
	for i, e := range got.Entries {
		if want := got.Bounds.First + uint64(i); e.Position != want {
			t.Fatalf("position %d, want %d", e.Position, want)
		}
		kept[e.Position] = string(e.Body)
		newest[e.Key] = e.Position
		if !records[string(e.Body[:bytes.LastIndexByte(e.Body, '.')])] {
			t.Errorf("entry %s is there without its record", e.Body)
		}
	}
	for p, a := range acked {
		switch {
		case p > got.Bounds.Last:
			t.Errorf("%s was acknowledged at %d and is lost: the log ends at %d", a.text, p, got.Bounds.Last)
		case p >= got.Bounds.First && kept[p] != a.text:
			t.Errorf("%s was acknowledged at %d, where %q is", a.text, p, kept[p])
		case p >= got.Bounds.First && l.Epoch(p) != a.epoch:
			t.Errorf("%s was acknowledged under the epoch %s, and has %s", a.text, a.epoch, l.Epoch(p))
		}
	}
	there := map[string]bool{}
	for _, e := range got.Newest {
		there[e.Key] = true
		if p, ok := newest[e.Key]; ok && p != e.Position {
			t.Errorf("the newest of %s is %d, want %d", e.Key, e.Position, p)
		}
	}
	for _, a := range acked {
		var start, writer, n, i int
		fmt.Sscanf(a.text, "%d.%d.%d.%d", &start, &writer, &n, &i)
		if key := childKey(n); !there[key] {
			t.Errorf("%s was acknowledged and %s has no newest entry", a.text, key)
		}
	}
}
