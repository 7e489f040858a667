// Package doctor examines a live broker, the servers of a shared journal and the bridge's
// configuration, and reports what does not work or will lose messages.
//
// It connects with the bridge's own credentials, and under a client identifier of its own with a
// clean start, so that it takes over neither the bridge's session nor what waits in it. It
// publishes nothing outside <base_topic>/doctor/, unless it is given a topic to publish to.
package doctor

import (
	"context"
	"crypto/rand"
	"net/url"
	"time"

	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/config"
)

// A Config says what to examine, and how. Settings is required.
type Config struct {
	Settings *config.Config
	Environ  []string // where settings may come from instead of the file

	Broker mqtt.Config // how the bridge connects: as mqtt.NewVisit has it

	NATS *jetstream.Config // how the bridge connects to the servers of its journal; nil: it has none

	// Keys fetches the published keys of a provider, and returns how many can be used; nil: they
	// are not fetched.
	Keys func(context.Context, config.JWT) (int, error)

	Listen        time.Duration // how long to watch what the rules' topic filters bring
	Publish       string        // a topic to publish one event to; "": none
	Away          int           // how many messages to publish to a session of its own that is away; 0: none
	MosquittoConf string        // the broker's configuration file; "": not available
}

// Run examines everything and shows each finding as it comes. It returns how many findings there
// are of each level. The end of ctx ends it early.
func Run(ctx context.Context, c Config, show func(Finding)) Counts {
	d := &doctor{
		cfg:       c,
		report:    &report{show: show},
		id:        rand.Text(),
		locations: newLocations(c.Settings, c.Environ),
	}
	d.readBrokerFile()
	d.examineBroker(ctx)
	d.examineBrokerFile()
	d.examineSettings()
	d.examineKeys(ctx)
	d.examineNATS(ctx)
	return d.report.counts
}

// A doctor is one examination of broker and configuration.
type doctor struct {
	cfg       Config
	report    *report
	id        string // random, of this examination
	locations locations
	file      *brokerFile // nil: not given, or not readable
	acl       *acl        // nil: not known

	version string // of the broker, such as 2.0.11; "": not known
	waited  bool   // the queue of an absent client was measured
}

func (d *doctor) add(f finding)                        { d.report.add(f) }
func (d *doctor) ok(check, format string, args ...any) { d.report.ok(check, format, args...) }

// visit connects to the broker with the bridge's credentials.
func (d *doctor) visit(ctx context.Context, u *url.URL, o mqtt.VisitOptions) (*mqtt.Visit, error) {
	return mqtt.NewVisit(ctx, u, d.cfg.Broker, o)
}

// clientID begins as the bridge's own does, for a broker that decides by that.
func (d *doctor) clientID() string { return d.cfg.Settings.Broker.ClientID + "-doctor-" + d.id }

func (d *doctor) baseTopic() string { return d.cfg.Settings.Broker.BaseTopic }

// ownTopic is where the doctor alone publishes.
func (d *doctor) ownTopic() string { return d.baseTopic() + "/doctor/" + d.id }
