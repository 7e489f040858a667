package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/plugin/service"
)

// A pubOptions is the command line of pub.
type pubOptions struct {
	path, broker string
	topic        string
	message      string
	file         string
	empty        bool
	retain       bool
}

// pubCommand publishes one event to the broker.
func (p *program) pubCommand() *cobra.Command {
	var o pubOptions
	c := p.command(description{
		name: "pub", group: groupClients,
		about: "publish an event to the broker, as mosquitto_pub does",
		more: `The event is published at QoS 1 with the configured login. The command ends when the broker has
acknowledged it.`,
		example: `  mqtt-stomp-bridge pub -t chat/42/unread -m '{"count": 1}'`,
	}, func(ctx context.Context) error { return p.pub(ctx, o) })
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVar(&o.broker, "broker", "", "the `URL` of a broker that needs no login, such as mqtt://127.0.0.1:1884; default: that of the configuration")
	f.StringVarP(&o.topic, "topic", "t", "", "the `topic` of the event")
	f.StringVarP(&o.message, "message", "m", "", "the `payload` of the event")
	f.StringVarP(&o.file, "file", "f", "", "read the payload from this `file`; - for standard input")
	f.BoolVarP(&o.empty, "null-message", "n", false, "the payload is empty; with -r, the broker forgets what it has retained")
	f.BoolVarP(&o.retain, "retain", "r", false, "the broker retains the event for who subscribes later")
	return c
}

func (p *program) pub(ctx context.Context, o pubOptions) error {
	switch {
	case o.topic == "":
		return misused("pub", "needs -t TOPIC")
	case strings.ContainsAny(o.topic, wildcards):
		return misused("pub", "-t %s: %v", o.topic, errWildcard)
	case !oneOf(o.message != "", o.file != "", o.empty):
		return misused("pub", "needs a payload: -m PAYLOAD, -f FILE, or -n for an empty one")
	}
	urls, settings, err := p.brokerFor(o)
	if err != nil {
		return err
	}
	payload, err := p.payload(o.message, o.file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pubTimeout)
	defer cancel()
	v, err := visitAny(ctx, urls, settings, "pub", func(*mqtt.Visit) error { return nil })
	if err != nil {
		return err
	}
	defer v.Close()
	return v.Publish(ctx, mqtt.Message{Topic: o.topic, Payload: payload, QoS: 1, Retain: o.retain})
}

const pubTimeout = 30 * time.Second

// brokerFor returns where to publish, and with which login.
func (p *program) brokerFor(o pubOptions) ([]*url.URL, mqtt.Config, error) {
	if o.broker != "" {
		u, err := url.Parse(o.broker)
		switch {
		case err != nil || u.Host == "":
			return nil, mqtt.Config{}, misused("pub", "--broker needs a URL such as mqtt://127.0.0.1:1884")
		case u.User != nil:
			return nil, mqtt.Config{}, misused("pub", "--broker takes no login: every user of this machine can read a command line; give a configuration instead")
		}
		return []*url.URL{u}, mqtt.Config{}, nil
	}
	c, err := p.load(o.path)
	if err != nil {
		return nil, mqtt.Config{}, err
	}
	settings, err := service.MQTT(c)
	return c.Broker.URL, settings, err
}
