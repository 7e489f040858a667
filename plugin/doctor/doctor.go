// Package doctor looks at a live broker and at the bridge's configuration, and says in plain words what will bite.
//
// It connects with the bridge's own credentials, and under a client identifier of its own with a clean start, so that it
// neither takes over the bridge's session nor what waits in it. It publishes nothing outside <base_topic>/doctor/, unless
// it is told a topic to publish to.
package doctor

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/url"
	"time"

	"mqtt-stomp-bridge/plugin/config"
)

// A Config says what to look at, and with what. Settings and Dial are required.
type Config struct {
	Settings *config.Config
	Environ  []string // where settings may come from instead of the file

	Dial     func(ctx context.Context, u *url.URL) (net.Conn, error) // opens the connection that MQTT runs in
	Password func() ([]byte, error)                                  // nil: none

	Listen        time.Duration // how long to watch what the rules' topic filters bring
	Publish       string        // a topic to publish one event to; "": none
	Away          int           // how many messages to publish to a session of its own that is away; 0: none
	MosquittoConf string        // the broker's configuration file; "": not to be seen
}

// Run looks at everything and writes a line or a few for each finding as it comes. It returns how many there are of each
// level. The end of ctx ends it early.
func Run(ctx context.Context, c Config, w io.Writer) Counts {
	d := &doctor{
		Config: c,
		report: &report{w: w},
		id:     rand.Text(),
		places: newPlaces(c.Settings, c.Environ),
	}
	d.readBrokerFile()
	d.examineBroker(ctx)
	d.examineBrokerFile()
	d.examineSettings()
	return d.report.counts
}

// A doctor is one look at broker and configuration.
type doctor struct {
	Config
	*report
	id     string // random, of this look
	places places
	file   *brokerFile // nil: not given, or not readable
	acl    *acl        // nil: not known

	version string // of the broker, such as 2.0.11; "": not known
	waited  bool   // the queue of an absent client was measured
}

// clientID begins as the bridge's own does, for a broker that goes by that.
func (d *doctor) clientID() string { return d.Settings.Broker.ClientID + "-doctor-" + d.id }

// ownTopic is where the doctor alone publishes.
func (d *doctor) ownTopic() string { return d.Settings.Broker.BaseTopic + "/doctor/" + d.id }

// sleep waits, and reports whether ctx is still going on.
func sleep(ctx context.Context, long time.Duration) bool {
	select {
	case <-time.After(long):
		return true
	case <-ctx.Done():
		return false
	}
}
