package faults_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A journal that is not what was written: the bridge says what to do and ends with code 1. It neither delivers from it nor
// puts an empty one in its place; when the file is restored it goes on as if nothing had been.
func TestJournalDamaged(t *testing.T) {
	s := start(t, options{})
	for _, damage := range []struct {
		name string
		do   func(file []byte) []byte
	}{
		{"a byte of an entry flipped", flip},
		{"cut in half", func(file []byte) []byte { return file[:len(bytes.TrimRight(file, "\x00"))/2] }}, // it ends in room for more
		{"cut to a part of a page", func(file []byte) []byte { return file[:1000] }},
		{"empty", func([]byte) []byte { return nil }},
		{"another file", func([]byte) []byte { return bytes.Repeat([]byte("This is not a journal.\n"), 1000) }},
	} {
		s.load()
		s.bridge.stop()
		file := filepath.Join(s.bridge.dir, "journal.db")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damaged := damage.do(bytes.Clone(whole))
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, s.bridge, damage.name)
		if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, damaged) {
			t.Errorf("%s: the bridge has changed the file: %d bytes, %v", damage.name, len(left), err)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s.bridge.start()
		s.bridge.waitReady()
	}
	s.flow()
	s.finish("journal: 5 x damaged, refused, restored").exact()
}

// refuses starts the bridge, which must end with code 1 and say on one line what is wrong and what to do.
func refuses(t *testing.T, b *bridge, name string) {
	t.Helper()
	b.start()
	eventually(t, "the bridge to refuse the journal: "+name, func() bool {
		select {
		case <-b.done:
			return true
		default:
			return false
		}
	})
	code := b.cmd.ProcessState.ExitCode()
	b.cmd = nil
	last := b.log.tail(2)
	if code != 1 || !strings.Contains(last, "journal.dir: ") || !strings.Contains(last, "damaged") || !strings.Contains(last, "move it away") {
		t.Errorf("%s: code %d, last line %s", name, code, last)
	}
}

// flip changes one bit of every copy of the text that begins some entry: those in free pages do not count.
func flip(file []byte) []byte {
	text := []byte("n=7 worker=")
	for at := 0; ; at += len(text) {
		i := bytes.Index(file[at:], text)
		if i < 0 {
			return file
		}
		at += i
		file[at] ^= 1
	}
}
