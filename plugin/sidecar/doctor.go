package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/doctor"
	"mqtt-stomp-bridge/plugin/service"
)

// A doctorOptions is the command line of doctor.
type doctorOptions struct {
	path, conf, publish string
	listen              time.Duration
	away                int
	format              format
}

// doctorCommand examines the broker and the configuration, and reports what does not work or loses
// messages.
func (p *program) doctorCommand() *cobra.Command {
	var o doctorOptions
	c := p.command(description{
		name: "doctor", group: groupRules,
		about: "check the broker and the configuration, report what will lose messages",
		codes: "0 nothing fails, also with notes and warnings; 1 something does not work or loses messages; 2 the command line is wrong",
	}, func(ctx context.Context) error { return p.doctor(ctx, o) })
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVar(&o.conf, "mosquitto-conf", "", "also read this configuration `file` of the broker and its acl_file: MQTT does not show most settings that lose messages")
	f.DurationVar(&o.listen, "listen", 5*time.Second, "how long to wait for events on the rules' topic filters")
	f.StringVar(&o.publish, "publish", "", "publish one event, {\"doctor\": \"...\"}, to this `topic` and check that it comes back; a running bridge gets it too")
	f.IntVar(&o.away, "away", 0, "publish this many messages of 500 bytes below <base_topic>/doctor/ to an offline session, and `count` how many are queued")
	formatFlag(c, &o.format, "for programs")
	return c
}

// A doctorReport is what doctor --format json prints.
type doctorReport struct {
	OK       bool             `json:"ok"`
	Findings []doctor.Finding `json:"findings"`
}

func (p *program) doctor(ctx context.Context, o doctorOptions) error {
	switch {
	case strings.ContainsAny(o.publish, wildcards):
		return misused("doctor", "--publish needs a topic, and %q is a topic filter", o.publish)
	case o.away < 0 || o.away > 1_000_000:
		return misused("doctor", "--away is from 0 to 1000000")
	}
	c, err := p.load(o.path)
	if err != nil {
		return err
	}
	broker, err := service.MQTT(c)
	if err != nil {
		return err
	}
	nats, err := natsOf(c)
	if err != nil {
		return err
	}
	report := doctorReport{Findings: []doctor.Finding{}}
	show := func(f doctor.Finding) { report.Findings = append(report.Findings, f) }
	if o.format == formatText { // as they come: it takes a while
		s := p.style(p.stdout)
		show = func(f doctor.Finding) { fmt.Fprint(p.stdout, s.finding(f)) }
	}
	counts := doctor.Run(ctx, doctor.Config{
		Settings:      c,
		Environ:       p.environ,
		Broker:        broker,
		NATS:          nats,
		Keys:          service.FetchKeys,
		Listen:        o.listen,
		Publish:       o.publish,
		Away:          o.away,
		MosquittoConf: o.conf,
	}, show)
	if report.OK = counts[doctor.Fail] == 0; o.format == formatJSON {
		p.printJSON(report)
	} else {
		fmt.Fprintf(p.stdout, "\n%d ok, %d note, %d warn, %d fail\n", counts[doctor.OK], counts[doctor.Note], counts[doctor.Warn], counts[doctor.Fail])
	}
	if !report.OK {
		return exit(exitFailure)
	}
	return nil
}

// natsOf returns nil where the journal is not one that replicas share.
func natsOf(c *config.Config) (*jetstream.Config, error) {
	if !c.Journal.Shared() {
		return nil, nil
	}
	n, err := service.NATS(c)
	n.MaxBytes = int64(c.Journal.MaxBytes)
	return &n, err
}

// finding returns the finding as its String does, the level in colour.
func (s style) finding(f doctor.Finding) string {
	level := f.Level.String()
	return s.paint([...]colour{green, cyan, yellow, red}[f.Level], level) + strings.TrimPrefix(f.String(), level)
}
