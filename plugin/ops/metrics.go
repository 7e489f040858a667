package ops

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/server"
)

// metricsHandler serves the figures of the bridge, of its reloads and of the process.
func metricsHandler(b Bridge, reloads func() Reloads) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{b, reloads}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Reloads count the attempts to put a changed configuration into force.
type Reloads struct {
	Done, Refused int64
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mqtt_stomp_bridge_"+name, help, labels, nil)
}

// The names are documented in METRICS.md, which a test writes from these.
var (
	events      = desc("events_total", "MQTT events received and mapped.")
	waiting     = desc("events_waiting", "MQTT events received and not yet mapped: hundreds when the bridge cannot keep up.")
	unmatched   = desc("events_unmatched_total", "MQTT events whose topic no rule matches.")
	outcomes    = desc("rule_outcomes_total", "Events, or elements of an each, by the rule whose topic matches and what became of them: mapped, filtered, rejected, duplicate.", "rule", "outcome")
	entries     = desc("entries_total", "Entries published to the subscribers of a queue.", "queue")
	deliveries  = desc("deliveries_total", "What became of the entries, by subscription: delivered, conflated, not addressed (others are its audience), left behind; replayed are those older than their subscription.", "queue", "outcome")
	lag         = desc("lag_entries", "Entries that wait for the subscription to a queue that lags most; /sessions says whose it is.", "queue")
	heldUp      = desc("sessions_held_up", "Clients whose last write waits for them to read.")
	latency     = desc("write_latency_seconds", "Time from the receipt of an event until a write to a client had it, by write, of the oldest event in it.")
	sessions    = desc("sessions", "Clients connected now.")
	opened      = desc("sessions_opened_total", "Clients that have connected so far.")
	ends        = desc("session_ends_total", "Sessions that have ended, by cause. A cause is there from its first time on.", "cause")
	refusals    = desc("handshakes_refused_total", "Handshakes refused, by cause. A cause is there from its first time on.", "cause")
	letters     = desc("dead_letters_total", "Dead letters, by whether the broker took them: published, refused.", "outcome")
	lettersKept = desc("dead_letters_kept", "Dead letters that the broker refuses and that are kept to be offered again.")
	connects    = desc("mqtt_connects_total", "Connections to the broker that receive events, the first included.")
	failures    = desc("mqtt_connect_errors_total", "Attempts to connect to the broker that failed.")
	absent      = desc("mqtt_sessions_absent_total", "Connections that should have found a session at the broker, by the journal after a restart, and found none: what it kept is lost.")
	takenOver   = desc("mqtt_sessions_taken_over_total", "Connections that the broker ended since another client has the same client identifier.")
	acks        = desc("mqtt_acks_total", "Events acknowledged to the broker.")
	staleAcks   = desc("mqtt_stale_acks_total", "Events whose connection had ended before they could be acknowledged: the broker sends them again.")
	kept        = desc("journal_bytes", "Bytes of the entries that the journal keeps.")
	keptLimit   = desc("journal_bytes_limit", "Bytes that they may take, journal.max_bytes: beyond that the oldest go.")
	first       = desc("journal_first_position", "Oldest position that a client can still resume from.")
	last        = desc("journal_last_position", "Newest position.")
	oldest      = desc("journal_oldest_timestamp_seconds", "When the event at the oldest position was received: a client that has been away for longer is told of a gap. Absent while the journal is empty.")
	ready       = desc("ready", "1 when the bridge can do its work, as /readyz says.")
	notReady    = desc("not_ready_reasons", "Reasons of /readyz why not, by what they are about: mqtt, journal, dead letters.", "part")
	reloadsDone = desc("reloads_total", "Attempts to put a changed configuration into force: done, refused.", "result")
)

// A collector reads all figures at each scrape; nothing is counted twice.
type collector struct {
	bridge  Bridge
	reloads func() Reloads
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	n := c.bridge.Counts()
	s := sender{ch}
	s.counter(events, n.Events)
	s.gauge(waiting, float64(max(0, int64(n.MQTT.Events)-n.Events))) // the two are not read at one instant
	s.counter(unmatched, n.Unmatched)
	for rule, o := range n.Rules {
		s.counter(outcomes, o.Mapped, rule, "mapped")
		s.counter(outcomes, o.Filtered, rule, "filtered")
		s.counter(outcomes, o.Rejected, rule, "rejected")
		s.counter(outcomes, o.Duplicate, rule, "duplicate")
	}
	for queue, q := range n.Queues {
		s.counter(entries, q.Published, queue)
		s.counter(deliveries, q.Delivered, queue, "delivered")
		s.counter(deliveries, q.Conflated, queue, "conflated")
		s.counter(deliveries, q.NotAddressed, queue, "not addressed")
		s.counter(deliveries, q.LeftBehind, queue, "left behind")
		s.counter(deliveries, q.Replayed, queue, "replayed")
	}
	s.lag(n.Queues, c.bridge.Lag())
	s.latency(n.Latency)
	s.gauge(sessions, float64(n.Server.Sessions))
	s.counter(opened, n.Server.Opened)
	s.byCause(ends, n.Server.Ends)
	s.byCause(refusals, n.Server.Refusals)
	s.counter(letters, n.DeadLetters.Published, "published")
	s.counter(letters, n.DeadLetters.Refused, "refused")
	s.gauge(lettersKept, float64(n.DeadLetters.Kept))
	s.counter(connects, int64(n.MQTT.Connects))
	s.counter(failures, int64(n.MQTT.ConnectErrors))
	s.counter(absent, int64(n.MQTT.AbsentSessions))
	s.counter(takenOver, int64(n.MQTT.TakenOver))
	s.counter(acks, int64(n.MQTT.Acks))
	s.counter(staleAcks, int64(n.MQTT.StaleAcks))
	s.gauge(kept, float64(n.Journal.Bytes))
	s.gauge(keptLimit, float64(n.Journal.Limit))
	s.gauge(first, float64(n.Journal.First))
	s.gauge(last, float64(n.Journal.Last))
	if t := n.Journal.Oldest; !t.IsZero() {
		s.gauge(oldest, float64(t.UnixMilli())/1000)
	}
	s.readiness(c.bridge.Ready())
	if c.reloads != nil {
		r := c.reloads()
		s.counter(reloadsDone, r.Done, "done")
		s.counter(reloadsDone, r.Refused, "refused")
	}
}

// A sender sends samples to a scrape.
type sender struct{ ch chan<- prometheus.Metric }

func (s sender) counter(d *prometheus.Desc, n int64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sender) gauge(d *prometheus.Desc, n float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, labels...)
}

// lag sends 0 for queues that nobody is subscribed to.
func (s sender) lag(queues map[string]hub.Counts, l server.Lag) {
	for queue := range queues {
		s.gauge(lag, float64(l.Entries[queue]), queue)
	}
	s.gauge(heldUp, float64(l.HeldUp))
}

func (s sender) latency(l hub.Latency) {
	buckets := make(map[float64]uint64, len(l.Buckets))
	for end, n := range l.Buckets {
		buckets[end.Seconds()] = n
	}
	s.ch <- prometheus.MustNewConstHistogram(latency, l.Count, l.Sum.Seconds(), buckets)
}

func (s sender) byCause(d *prometheus.Desc, counts map[string]int64) {
	for cause, n := range counts {
		s.counter(d, n, cause)
	}
}

func (s sender) readiness(reasons []string) {
	if len(reasons) == 0 {
		s.gauge(ready, 1)
	} else {
		s.gauge(ready, 0)
	}
	parts := map[string]int{"mqtt": 0, "journal": 0, "dead letters": 0}
	for _, r := range reasons {
		parts[part(r)]++
	}
	for p, n := range parts {
		s.gauge(notReady, float64(n), p)
	}
}

// part returns what a reason is about: it begins with that, as in "mqtt, sending connection: not connected".
func part(reason string) string {
	if i := strings.IndexAny(reason, ",:"); i >= 0 {
		return reason[:i]
	}
	return reason
}

var _ Bridge = (*bridge.Bridge)(nil)
