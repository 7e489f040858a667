package disk_test

import (
	"errors"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"mqtt-stomp-bridge/bridge/journal/disk"
)

// What cannot be an audience or a trace parent is damage, also under a good checksum.
func TestDamagedParts(t *testing.T) {
	type seal = func(position, record []byte) []byte
	for _, test := range []struct {
		name, body string
		as         seal
	}{
		{"no audience at all", "\x00\x00\x00\x00", disk.WithAudience},
		{"audience longer than the rest", "\x00\x00\x00\xff\x00\x01a", disk.WithAudience},
		{"cut audience", "\x00\x00", disk.WithAudience},
		{"a token too long", "\x00\x00\x00\x03\x00\x02a", disk.WithAudience},
		{"a token without bytes", "\x00\x00\x00\x01\x00", disk.WithAudience},
		{"audience as long as can be", "\xff\xff\xff\xff\x00\x01a", disk.WithAudience},
		{"trace parent longer than the rest", "\x03ab", disk.WithTrace},
		{"trace parent without a length", "", disk.WithTrace},
		{"trace parent, then an audience that is cut", "\x01a\x00", func(position, record []byte) []byte {
			return disk.WithAudience(position, disk.WithTrace(position, record))
		}},
	} {
		dir := t.TempDir()
		l := mustOpen(t, disk.Options{Dir: dir})
		if err := appendTo(t.Context(), l, one(test.body)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		editDB(t, dbPath(dir), func(tx *bolt.Tx) error {
			key := []byte{0, 0, 0, 0, 0, 0, 0, 1}
			b := tx.Bucket([]byte("entries"))
			return b.Put(key, test.as(key, b.Get(key)))
		})
		l, err := disk.Open(t.Context(), disk.Options{Dir: dir})
		if err == nil {
			_, err = l.Read(t.Context(), 0, 1)
			l.Close()
		}
		if !errors.Is(err, disk.ErrDamaged) || !strings.Contains(err.Error(), "position 1") {
			t.Errorf("%s: %v, want ErrDamaged at position 1", test.name, err)
		}
	}
}
