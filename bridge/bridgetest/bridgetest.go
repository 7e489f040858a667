// Package bridgetest is what the tests of several packages share. [Buffer] takes the output of what
// runs beside the test, [Eventually] waits for it, [Need] ends a test that lacks something, and [TLS]
// is for servers and clients. [Build] builds the sidecar, [Start] runs it as a process, and
// [CheckSecrets] looks for secrets in what it logs and shows.
package bridgetest

import (
	"os"
	"testing"
	"time"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

// Patience is how long a test waits for what must come.
const Patience = 30 * time.Second

// Eventually waits until the condition holds. It fails the test after [Patience].
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Need skips the test if what it needs is absent, or fails it if [mosquittotest.Require] says that
// nothing may be skipped. For programs there is [mosquittotest.Look].
func Need(t testing.TB, what string, present bool) {
	t.Helper()
	switch {
	case present:
	case os.Getenv(mosquittotest.Require) == "1":
		t.Fatalf("%s: absent, and %s=1", what, mosquittotest.Require)
	default:
		t.Skipf("%s: absent", what)
	}
}
