package hub_test

import (
	"testing"

	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
)

// A busyLog gets an entry just before it is followed, and one just after.
type busyLog struct {
	*journal.Memory
	append func()
	after  chan struct{} // closed when the second is in
}

func (l busyLog) Follow(f func([]journal.Entry)) journal.Bounds {
	l.append()
	bounds := l.Memory.Follow(f)
	go func() {
		defer close(l.after)
		l.append()
	}()
	return bounds
}

// What is committed while a Hub is made is in its rings, or in the log before them.
func TestNewWhileEntriesCome(t *testing.T) {
	b := newBench(t, hub.Config{}, journal.MemoryOptions{})
	b.publishMany(2, message)
	log := busyLog{b.log, func() { b.publish(message) }, make(chan struct{})}
	h := hub.New(log, hub.Config{Queues: []hub.Queue{{Name: message}, {Name: unread}, {Name: channel}}, RingEntries: 8})
	defer h.Close()
	<-log.after
	b.publish(message)

	f := h.NewFeed(waker(nil))
	defer f.Close()
	_, complete := f.Subscribe(message, plain{name: "m"}, hub.Options{Resume: b.resume(2)})
	if !complete {
		t.Errorf("the resume is not complete")
	}
	wantFrames(t, run("m", 3, 5), drain(t, f))
}
