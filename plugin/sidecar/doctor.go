package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/plugin/doctor"
)

// doctor looks at the broker and at the configuration, and says what will bite; exit code 1 means that something does not
// work or loses messages.
func (p *program) doctor(ctx context.Context, args []string) int {
	f := p.flags("doctor", "[-c config.yaml] [--mosquitto-conf FILE] [--listen 5s] [--publish TOPIC] [--away COUNT]")
	path := configFlag(f)
	conf := f.String("mosquitto-conf", "", "also read this configuration `file` of the broker and its acl_file: MQTT does not show most settings that lose messages")
	listen := f.Duration("listen", 5*time.Second, "how long to wait for events on the rules' topic filters")
	publish := f.String("publish", "", "publish one event, {\"doctor\": \"...\"}, to this `topic` and check that it comes back; a running bridge gets it too")
	away := f.Int("away", 0, "publish this many messages of 500 bytes below <base_topic>/doctor/ to an offline session, and count how many are queued")
	if code, done := parse(f, args); done {
		return code
	}
	switch {
	case strings.ContainsAny(*publish, "+#"):
		return p.misused(f, fmt.Sprintf("--publish needs a topic, and %q is a topic filter", *publish))
	case *away < 0 || *away > 1_000_000:
		return p.misused(f, "--away is from 0 to 1000000")
	}
	c := p.load(*path)
	if c == nil {
		return exitFailure
	}
	if slices.ContainsFunc(c.Broker.URL, func(u *url.URL) bool { return u.Scheme == "ws" || u.Scheme == "wss" }) {
		return p.fail(errors.New("doctor cannot speak MQTT over WebSocket; set BRIDGE_BROKER_URL to a mqtt:// or mqtts:// address of the same broker"))
	}
	counts := doctor.Run(ctx, doctor.Config{
		Settings:      c,
		Environ:       p.environ,
		Dial:          func(ctx context.Context, u *url.URL) (net.Conn, error) { return dialBroker(ctx, c.Broker, u) },
		Password:      brokerPassword(c.Broker),
		Listen:        *listen,
		Publish:       *publish,
		Away:          *away,
		MosquittoConf: *conf,
	}, p.stdout)
	fmt.Fprintf(p.stdout, "\n%d ok, %d note, %d warn, %d fail\n", counts[doctor.OK], counts[doctor.Note], counts[doctor.Warn], counts[doctor.Fail])
	if counts[doctor.Fail] > 0 {
		return exitFailure
	}
	return exitOK
}
