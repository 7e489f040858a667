package console

import (
	"sync"
	"time"
)

// lingering is how long events are kept whole after the last page that shows them has gone: until the
// next page has come, as after a step from the list to the workbench.
const lingering = time.Minute

// A tap has the bridge keep events whole while pages show them.
type tap struct {
	watch func() (stop func())

	mu    sync.Mutex
	users int
	stop  func()      // nil: nothing is kept
	ends  *time.Timer // that calls stop; nil: there are users
}

// use has them kept until release is called, and a little longer.
func (t *tap) use() (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users++
	if t.stop == nil {
		t.stop = t.watch()
	}
	if t.ends != nil {
		t.ends.Stop()
		t.ends = nil
	}
	return t.release
}

func (t *tap) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.users == 0 {
		t.ends = time.AfterFunc(lingering, t.end)
	}
}

// end stops the keeping, unless somebody has come again.
func (t *tap) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users == 0 && t.stop != nil {
		t.stop()
		t.stop, t.ends = nil, nil
	}
}
