package jetstream

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestCheckVersion(t *testing.T) {
	for _, test := range []struct {
		version           string
		warned, isRefused bool
	}{
		{"2.8.4", false, true},
		{"1.4.1", false, true},
		{"2.9.0", true, false},
		{"2.12.2", true, false},
		{"2.12.3", false, false},
		{"2.12.3-RC.1", false, false},
		{"2.100.0", false, false},
		{"3.0.0", false, false},
		{"", true, false},
		{"2.12", true, false},
	} {
		warning, err := checkVersion(test.version)
		var refused *refusedError
		if (warning != "") != test.warned || errors.As(err, &refused) != test.isRefused {
			t.Errorf("%q: warning %q, error %v", test.version, warning, err)
		}
	}
}

// TestNoJetStream says what to do where nobody answers requests for streams, which may pass.
func TestNoJetStream(t *testing.T) {
	err := refused(nats.ErrNoResponders)
	var final *refusedError
	if err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), "is JetStream enabled?") {
		t.Errorf("without an answer: %v", err)
	}
}

// TestDenied reads what servers say that a user may not do.
func TestDenied(t *testing.T) {
	r := Config{Name: "x"}.rights()
	for _, test := range []struct{ said, want string }{
		{`nats: permissions violation: Permissions Violation for Publish to "x.lead.abc"`, `publish to "x.lead.*"`},
		{`nats: Permissions Violation for Publish to "$JS.API.DIRECT.GET.KV_x-lead.$KV.x-lead.reader"`, `publish to "$JS.API.DIRECT.GET.KV_x-lead.>"`},
		{`nats: Permissions Violation for Publish to "_INBOX.abc.def"`, `publish to "_INBOX.>"`},
		{`nats: Permissions Violation for Subscription to "x.replica.a.example"`, `subscribe to "x.replica.>"`},
		{`nats: Permissions Violation for Subscription to "x.tail" using queue "q"`, `subscribe to "x.tail"`},
		{`nats: Permissions Violation for Publish to "other.a"`, `publish to "other.a"`},
		{`nats: Permissions Violation for Publish to "x.lead.a.b"`, `publish to "x.lead.a.b"`},
		{`nats: timeout`, ""},
	} {
		d := r.deniedBy(errors.New(test.said))
		if got := errorTextOf(d); test.want == "" && d != nil || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.said, got, test.want)
		}
	}
}

func errorTextOf(d *deniedError) string {
	if d == nil {
		return ""
	}
	return d.Error()
}
