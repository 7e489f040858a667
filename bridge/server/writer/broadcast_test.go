package writer_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server/writer"
)

// Writers with the same subscriptions join a broadcast, without a goroutine, and get what is for
// everybody and what is for them. One with other subscriptions has a feed of its own.
func TestBroadcast(t *testing.T) { bothWays(t, testBroadcast) }

func testBroadcast(t *testing.T, secure bool) {
	b := newBench(t, limits, 0, journal.MemoryOptions{}).secure(secure)
	before := runtime.NumGoroutine()
	var writers []*writer.Writer
	var peers []*peer
	for i, name := range []string{"a", "a", "a", "b"} {
		w, conn := b.dial()
		writers, peers = append(writers, w), append(peers, newPeer(t, conn))
		subscribe(w, name, "subscribed\n", fmt.Sprint("u:", i))
		peers[i].want("subscribed")
		b.publish("to join") // a Writer whose format nobody shared looks again after its next write
		for j := range peers {
			peers[j].want([]string{"a", "a", "a", "b"}[j] + " to join")
		}
	}
	eventually(t, "three to join", func() bool { return writers[0].Joined() && writers[1].Joined() && writers[2].Joined() })
	if writers[3].Joined() {
		t.Error("a Writer whose subscription nobody shares has joined")
	}
	eventually(t, "no goroutine", func() bool { return runtime.NumGoroutine() <= before })

	b.publish("all")
	b.publish("one", "u:1")
	b.publish("two", "u:0", "u:3")
	writers[2].Reply([]byte("pong\n"))
	b.publish("end")
	peers[0].want("a all", "a two", "a end")
	peers[1].want("a all", "a one", "a end")
	peers[3].want("b all", "b two", "b end")
	var got []string
	for len(got) < 3 {
		line, err := peers[2].ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(line))
	}
	if s := strings.Join(got, ", "); !strings.Contains(s, "pong") || strings.Contains(s, "one") || strings.Contains(s, "two") {
		t.Errorf("got %s, want all, pong and end", s)
	}
}

// A snapshot that has nothing for its client ends without a write. The Writer joins all the same:
// else what comes would wake each such Writer by itself.
func TestJoinsAfterASnapshotOfNothing(t *testing.T) {
	b := newBench(t, limits, 0, journal.MemoryOptions{})
	for i := range 1000 {
		batch := journal.Batch{Entries: []journal.Entry{{Queue: queue, Key: fmt.Sprint(i), Audience: []string{"u:other"}, Body: []byte("x")}}}
		if err := b.log.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	var writers []*writer.Writer
	for range 3 {
		w, conn := b.dial()
		writers = append(writers, w)
		w.Update(func(feed *hub.Feed, answers []byte) []byte {
			feed.SetTokens([]string{"u:a"})
			feed.Subscribe(queue, lines("a"), hub.Options{Own: true, Snapshot: true})
			return append(answers, "subscribed\n"...)
		})
		newPeer(t, conn).want("subscribed")
	}
	eventually(t, "two to join", func() bool { return writers[1].Joined() && writers[2].Joined() })
}

// A member that does not read leaves the broadcast with what it has not got, catches up, and joins
// again. The others do not notice.
func TestHeldUpMemberLeaves(t *testing.T) { bothWays(t, testHeldUpMemberLeaves) }

func testHeldUpMemberLeaves(t *testing.T, secure bool) {
	b := newBench(t, limits, 64, journal.MemoryOptions{}).secure(secure)
	slow, slowConn := b.dial()
	fast, fastConn := b.dial()
	slowPeer, fastPeer := newPeer(t, slowConn), newPeer(t, fastConn)
	subscribe(slow, "a", "subscribed\n")
	subscribe(fast, "a", "subscribed\n")
	slowPeer.want("subscribed")
	fastPeer.want("subscribed")
	filler := strings.Repeat("x", 8000)
	n := 0
	publish := func() {
		n++
		b.publish(fmt.Sprint(n, filler))
		fastPeer.want(fmt.Sprint("a ", n, filler))
	}
	publish()
	slowPeer.want(fmt.Sprint("a 1", filler))
	eventually(t, "both to join", func() bool { return slow.Joined() && fast.Joined() })

	most := map[string]int64{}
	for heldUp := false; !heldUp || most[queue] < 100; heldUp = slow.Lag(most) { // more than the ring holds
		publish()
	}
	if slow.Joined() || !fast.Joined() {
		t.Errorf("joined: the slow %v, the fast %v", slow.Joined(), fast.Joined())
	}
	for i := 2; i <= n; i++ {
		slowPeer.want(fmt.Sprint("a ", i, filler))
	}
	eventually(t, "the slow to join again", slow.Joined)
}

// A change of the feed takes it out of the broadcast, and it joins again when nothing waits.
func TestAdjustedMemberJoinsAgain(t *testing.T) { bothWays(t, testAdjustedMemberJoinsAgain) }

func testAdjustedMemberJoinsAgain(t *testing.T, secure bool) {
	b := newBench(t, limits, 0, journal.MemoryOptions{}).secure(secure)
	var writers []*writer.Writer
	var peers []*peer
	for i := range 2 {
		w, conn := b.dial()
		writers, peers = append(writers, w), append(peers, newPeer(t, conn))
		subscribe(w, "a", "subscribed\n")
		peers[i].want("subscribed")
	}
	for round := range 50 {
		writers[0].Adjust(func(feed *hub.Feed) { feed.SetTokens([]string{fmt.Sprint("u:", round)}) })
		b.publish(fmt.Sprint(round), fmt.Sprint("u:", round))
		b.publish("all")
		peers[0].want(fmt.Sprint("a ", round), "a all")
		peers[1].want("a all")
	}
	eventually(t, "both to join", func() bool { return writers[0].Joined() && writers[1].Joined() })
}
