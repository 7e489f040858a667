package mqtt

import (
	"context"
	"time"
)

// Client is the bridge's two connections to one broker. Its methods are safe for
// concurrent use.
type Client struct {
	cfg    Config
	events chan *Event
}

// New returns a client that is not yet connecting, or every mistake in cfg.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, events: make(chan *Event)}, nil
}

func (c *Client) Start(ctx context.Context) error                        { return nil }
func (c *Client) Events() <-chan *Event                                  { return c.events }
func (c *Client) Ack(e *Event)                                           {}
func (c *Client) Stop()                                                  {}
func (c *Client) Close(ctx context.Context) error                        { return nil }
func (c *Client) Publish(ctx context.Context, m Message) error           { return nil }
func (c *Client) SetFilters(ctx context.Context, filters []Filter) error { return nil }
func (c *Client) Pause(reason error)                                     {}
func (c *Client) Resume()                                                {}
func (c *Client) SetStatus(fields map[string]any)                        {}
func (c *Client) State() State                                           { return State{} }
func (c *Client) Changes() <-chan struct{}                               { return nil }
func (c *Client) Stats() Stats                                           { return Stats{} }

// State is what readiness and an operator want to know.
type State struct {
	Ready     bool          // connected, and every filter is granted
	Receiving Connection    // brings events
	Sending   Connection    // takes dead letters and the status
	Filters   []FilterState // in the order they were given
	Paused    error         // the reason given to Pause, nil when not paused
	Status    error         // why the status document is not published, nil when it is
}

// Connection is one of the two connections.
type Connection struct {
	Connected bool
	Since     time.Time // of the present state
	Err       error     // why the last connection ended or could not be made; nil while connected
}

// FilterState is one subscription.
type FilterState struct {
	Filter
	Granted bool
	Err     error  // why it is not granted, nil when it is or was not asked for yet
	Events  uint64 // received through it: none for long may mean that the broker's ACL keeps silent
}

// Stats are counters since New.
type Stats struct {
	Connects       uint64 // of the receiving connection, the first one included
	ConnectErrors  uint64 // attempts of either connection that failed
	AbsentSessions uint64 // reconnects that found no session present: what the broker kept is lost
	TakenOver      uint64 // connections ended because another client took the client identifier
	Events         uint64 // handed to Events
	Dropped        uint64 // received and not handed over, since the connection ended or Stop was called; QoS 1 comes again
	Acks           uint64 // events acknowledged
	StaleAcks      uint64 // acknowledged after their connection had ended: the broker sends them again
	Published      uint64 // messages the broker has acknowledged
	Refused        uint64 // messages it refused for good
}
