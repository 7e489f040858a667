package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mqtt-stomp-bridge/plugin/doctor"
	"mqtt-stomp-bridge/plugin/service"
)

// doctor examines the broker and the configuration, and reports what does not work or loses
// messages: then the exit code is 1.
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
	broker, err := service.MQTT(c)
	if err != nil {
		return p.fail(err)
	}
	counts := doctor.Run(ctx, doctor.Config{
		Settings:      c,
		Environ:       p.environ,
		Broker:        broker,
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
