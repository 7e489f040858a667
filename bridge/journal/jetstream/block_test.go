package jetstream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/bridge/journal"
)

var written = time.Date(2026, 3, 4, 5, 6, 7, 891_000_001, time.UTC)

func fullBlock() *block {
	return &block{
		previous: 0x01020304, term: 3, number: 300, epoch: "abc", since: 5, before: "xyz", base: 1000, first: 7, head: 2,
		clock: clock{lived: time.Hour, appendedAt: 2 * time.Hour, began: -time.Second, ahead: time.Minute, left: written},
		entries: []journal.Entry{
			{Position: 1000, Time: written, Queue: "/queue/a", Key: "k", Body: []byte("one")},
			{Position: 1001, Queue: "/queue/b", Audience: []string{"u:ada", "g:x"}, TraceParent: "00-1", Body: []byte{}},
		},
		carried:        []carried{{journal.Entry{Position: 3, Time: written, Queue: "/queue/a", Key: "old", Body: []byte("\x00")}, time.Second}},
		carriedRecords: []journal.Record{{Name: "r/1", Value: []byte("v")}},
		records:        []journal.Record{{Name: "r/2", Value: []byte{}, Expires: written}},
		forget:         []string{"gone"},
		drop:           []string{"", "p/"},
	}
}

// TestBlock also holds the format: replicas of two versions read the same stream.
func TestBlock(t *testing.T) {
	want := fullBlock()
	data := want.encode(1)
	const golden = "014ab75c930102030403ac0205e8070702036162630378797a8080c58bc6d10180808a978ca303ffa7d6b90780e0ba84" +
		"bf03fef6bd9a0dc2a9eea80302082f71756575652f61082f71756575652f620200fef6bd9a0dc2a9eea803016b000003" +
		"6f6e65010000000205753a61646103673a780430302d3100010380a8d6b90700fef6bd9a0dc2a9eea803036f6c640000" +
		"01000103722f31000001760103722f32fef6bd9a0dc2a9eea803000104676f6e65020002702f"
	if got := hex.EncodeToString(data); got != golden {
		t.Errorf("the format has changed:\n%s", got)
	}
	got, err := decode(data, formats)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{}, clock{}, carried{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	if size := headerSize + want.content(); len(data) > size {
		t.Errorf("%d bytes, which was estimated as %d", len(data), size)
	}
}

func TestDamagedBlocks(t *testing.T) {
	data := fullBlock().encode(1)
	for n := range data {
		if _, err := decode(data[:n], formats); err == nil {
			t.Errorf("%d of %d bytes were taken for a block", n, len(data))
		}
		changed := bytes.Clone(data)
		changed[n] ^= 4
		if _, err := decode(changed, formats); err == nil {
			t.Errorf("a block with another byte %d was taken for one", n)
		}
	}
	data[0] = 2
	for _, test := range []struct {
		reads []int
		want  string
	}{
		{[]int{1}, "journal: this version does not read the format of a block (it is 2, not one of [1]): it is too old; update this replica"},
		{[]int{3, 4}, "journal: this version does not read the format of a block (it is 2, not one of [3 4]): the version that wrote it is too old; " +
			"run one between them first, for as long as journal.max_age says"},
	} {
		if _, err := decode(data, test.reads); !errors.Is(err, errFormat) || err.Error() != test.want {
			t.Errorf("by one that reads %v: %v, want %s", test.reads, err, test.want)
		}
	}
}

// FuzzDecode gives decode what passes its checksum. Whatever it takes means the same when it is
// encoded again.
func FuzzDecode(f *testing.F) {
	f.Add(fullBlock().encode(1)[blockHeader:])
	f.Add((&block{}).encode(1)[blockHeader:])
	f.Fuzz(func(t *testing.T, rest []byte) {
		data := append(make([]byte, blockHeader), rest...)
		data[0] = 1
		seal(data)
		b, err := decode(data, formats)
		if err != nil {
			return
		}
		again, err := decode(b.encode(1), formats)
		if err != nil {
			t.Fatalf("encoded again: %v", err)
		}
		b.size, b.sum = again.size, again.sum // numbers may have been longer than they need to be
		if diff := cmp.Diff(b, again, cmp.AllowUnexported(block{}, clock{}, carried{})); diff != "" {
			t.Errorf("encoded again (-first +again):\n%s", diff)
		}
	})
}
