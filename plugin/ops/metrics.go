package ops

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-stomp-bridge/bridge"
	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/hub"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/server"
)

// metricsHandler serves the figures of the bridge, of its reloads, of the key sets for tokens and
// of the process.
func metricsHandler(b Bridge, o Options) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{b, o.Build, o.Reloads, o.TokenKeys}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// Reloads count the attempts to put a changed configuration into force.
type Reloads struct {
	Done, Refused int64
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mqtt_stomp_bridge_"+name, help, labels, nil)
}

// A Build says what the program was built of. Version control is silent on some builds, so that
// Commit and Date may be empty.
type Build struct {
	Version   string // a release's, or what Go says of the build
	Commit    string // "-dirty" behind it: and of changes to it
	Date      string // of the commit, RFC 3339
	GoVersion string
}

// The names are documented in METRICS.md, which a test writes from these.
var (
	buildInfo   = desc("build_info", "Always 1; the labels say what the program was built of: version, commit and its date, Go's version.", "version", "commit", "date", "goversion")
	events      = desc("events_total", "MQTT events received and mapped.")
	waiting     = desc("events_waiting", "MQTT events received and not yet mapped; hundreds mean that the bridge cannot keep up.")
	unmatched   = desc("events_unmatched_total", "MQTT events whose topic matches no rule.")
	outcomes    = desc("rule_outcomes_total", "Events, or elements of an each, by matching rule and outcome: mapped, filtered, rejected, duplicate.", "rule", "outcome")
	entries     = desc("entries_total", "Entries published to the subscribers of a queue.", "queue")
	deliveries  = desc("deliveries_total", "Entries per subscription, by outcome: delivered, conflated, not addressed (the audience is others, or the subscription's filter leaves the entry out), left behind; replayed counts entries older than the subscription.", "queue", "outcome")
	lag         = desc("lag_entries", "Entries waiting for the subscription that lags most, by queue; /sessions shows whose it is.", "queue")
	subscribed  = desc("subscriptions", "Subscriptions of clients now, by queue.", "queue")
	heldUp      = desc("sessions_held_up", "Clients that do not read, so that the last write to them waits.")
	unread      = desc("unread_bytes", "Memory that holds what clients that do not read have not taken yet; bounded by server.limits.unread_bytes.")
	latency     = desc("write_latency_seconds", "Time from the receipt of an event to the end of the write that sends it to a client; one observation per write, for the oldest event in it.")
	sessions    = desc("sessions", "Clients connected now.")
	connections = desc("connections", "Connections of clients that are open now, whether they have become a session or not.")
	opened      = desc("sessions_opened_total", "Sessions opened since the start.")
	ends        = desc("session_ends_total", "Sessions that have ended, by cause. A cause appears once it has occurred.", "cause")
	closes      = desc("client_closes_total", "Sessions ended by a close frame of the client, by its code (3xxx and 4xxx: codes of libraries and applications). A code appears once it has occurred.", "code")
	refusals    = desc("handshakes_refused_total", "Handshakes refused, and connections refused before one, by cause. A cause appears once it has occurred.", "cause")
	letters     = desc("dead_letters_total", "Dead letters, by the broker's answer: published, refused.", "outcome")
	lettersKept = desc("dead_letters_kept", "Dead letters that the broker refused and that the bridge keeps to publish again.")
	lettersIn   = desc("dead_letters_received_total", "Dead letters, of this bridge or another, that came as events and matched a rule's topic; no rule maps them, and they become no other dead letter.")
	connects    = desc("mqtt_connects_total", "Connections to the broker for receiving events, including the first.")
	failures    = desc("mqtt_connect_errors_total", "Failed attempts to connect to the broker.")
	absent      = desc("mqtt_sessions_absent_total", "Connections that found no session at the broker although there should be one (after a restart, according to the journal): events queued in it are lost.")
	takenOver   = desc("mqtt_sessions_taken_over_total", "Connections that ended because another client uses the same client id: the broker said so, or several in a row were closed soon after they were accepted.")
	expiry      = desc("mqtt_session_expiry_seconds", "How long the broker keeps the session of an absent bridge, as granted at the last connect; less than broker.session_expiry if the broker has cut it.")
	acks        = desc("mqtt_acks_total", "Events acknowledged to the broker.")
	copies      = desc("mqtt_retained_messages_total", "Retained messages read from the broker, for rules with retained: deliver; those that the journal has count as duplicate in rule_outcomes_total.")
	readings    = desc("mqtt_retained_readings_total", "Readings of all retained messages that were completed.")
	staleAcks   = desc("mqtt_stale_acks_total", "Events whose connection ended before they could be acknowledged; the broker sends them again.")
	memoryKeys  = desc("memory_keys", "Keys that rules remember, by memory.", "memory")
	memoryBytes = desc("memory_bytes", "Size of the keys and values that rules remember, in bytes, by memory.", "memory")
	evicted     = desc("memory_evicted_total", "Keys that the max_keys or max_bytes of a memory has taken, those written longest ago first.", "memory")
	expired     = desc("memory_expired_total", "Keys of a memory that were not written again within its `for`.", "memory")
	kept        = desc("journal_bytes", "Size of the entries in the journal, in bytes.")
	keptLimit   = desc("journal_bytes_limit", "Limit of the size of the entries in the journal (journal.max_bytes); beyond it, the oldest are dropped.")
	first       = desc("journal_first_position", "Oldest position in the journal that a client can still resume from.")
	last        = desc("journal_last_position", "Newest position in the journal.")
	oldest      = desc("journal_oldest_timestamp_seconds", "Time of receipt of the event at the oldest position. A client that has been away for longer gets a gap. Absent while the journal is empty.")
	ready       = desc("ready", "1 if the bridge is ready, as reported by /readyz; otherwise 0.")
	notReady    = desc("not_ready_reasons", "Reasons that /readyz gives for not being ready, by part: mqtt, journal, dead letters, token keys. Of replicas, its troubles too: they keep events from all replicas, and this one is ready all the same.", "part")
	leads       = desc("replica_leads", "1 if this replica reads from the broker, otherwise 0. Only replicas have this and the other metrics named replica.")
	term        = desc("replica_term", "Number of the newest turn at reading from the broker, of whichever replica, that this replica has followed.")
	turns       = desc("replica_turns_total", "Turns at reading from the broker that this replica has begun.")
	present     = desc("replica_present", "Replicas that are present, this one included, as far as it knows.")
	completeAge = desc("replica_complete_age_seconds", "Time since this replica last had all that was in the journal. More than 10 seconds: it is not ready.")
	away        = desc("replica_journal_away", "1 while the journal cannot be reached, otherwise 0.")
	tokenKeys   = desc("token_keys", "Keys of the published set at a URL (jwks_url) that can be used; 0 until it was fetched once.", "url")
	keysAge     = desc("token_keys_age_seconds", "Time since the last successful fetch of a key set; more than 10 minutes mean that it cannot be fetched. Absent until the first.", "url")
	keysFailed  = desc("token_keys_fetch_errors_total", "Fetches of a key set that have failed.", "url")
	reloadsDone = desc("reloads_total", "Reloads of the configuration, by result: done, refused.", "result")
)

// A collector reads all figures at each scrape; nothing is counted twice.
type collector struct {
	bridge  Bridge
	build   Build
	reloads func() Reloads
	keys    func() []auth.KeysStatus
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	n := c.bridge.Counts()
	s := sender{ch}
	s.gauge(buildInfo, 1, c.build.Version, c.build.Commit, c.build.Date, c.build.GoVersion)
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
	for queue, subscriptions := range n.Subscriptions {
		s.gauge(subscribed, float64(subscriptions), queue)
	}
	s.lag(n.Queues, c.bridge.Lag())
	s.latency(n.Latency)
	s.gauge(sessions, float64(n.Server.Sessions))
	s.gauge(connections, float64(n.Server.Connections))
	s.gauge(unread, float64(n.Server.Unread))
	s.counter(opened, n.Server.Opened)
	s.byCause(ends, n.Server.Ends)
	s.byCause(closes, n.Server.Closes)
	s.byCause(refusals, n.Server.Refusals)
	s.counter(letters, n.DeadLetters.Published, "published")
	s.counter(letters, n.DeadLetters.Refused, "refused")
	s.counter(lettersIn, n.DeadLetters.Received)
	s.gauge(lettersKept, float64(n.DeadLetters.Kept))
	s.counter(connects, int64(n.MQTT.Connects))
	s.counter(failures, int64(n.MQTT.ConnectErrors))
	s.counter(absent, int64(n.MQTT.AbsentSessions))
	s.counter(takenOver, int64(n.MQTT.TakenOver))
	s.gauge(expiry, n.MQTT.SessionExpiry.Seconds())
	s.counter(acks, int64(n.MQTT.Acks))
	s.counter(copies, int64(n.MQTT.Copies))
	s.counter(readings, int64(n.MQTT.Readings))
	s.counter(staleAcks, int64(n.MQTT.StaleAcks))
	for _, m := range n.Memory {
		s.gauge(memoryKeys, float64(m.Keys), m.Memory)
		s.gauge(memoryBytes, float64(m.Bytes), m.Memory)
		s.counter(evicted, m.Evicted, m.Memory)
		s.counter(expired, m.Expired, m.Memory)
	}
	s.gauge(kept, float64(n.Journal.Bytes))
	s.gauge(keptLimit, float64(n.Journal.Limit))
	s.gauge(first, float64(n.Journal.First))
	s.gauge(last, float64(n.Journal.Last))
	if t := n.Journal.Oldest; !t.IsZero() {
		s.gauge(oldest, float64(t.UnixMilli())/1000)
	}
	s.readiness(c.bridge.Ready(), c.bridge.Troubles())
	s.replica(n.Replica)
	if c.keys != nil {
		s.tokenKeys(c.keys())
	}
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

func (s sender) tokenKeys(sets []auth.KeysStatus) {
	seen := map[string]bool{}
	for _, k := range sets {
		if seen[k.URL] { // with other authorities; a second sample would fail the whole scrape
			continue
		}
		seen[k.URL] = true
		s.gauge(tokenKeys, float64(k.Keys), k.URL)
		s.counter(keysFailed, k.Failures, k.URL)
		if !k.Fetched.IsZero() {
			s.gauge(keysAge, time.Since(k.Fetched).Truncate(time.Second).Seconds(), k.URL)
		}
	}
}

func (s sender) replica(r *journal.Standing) {
	if r == nil {
		return
	}
	s.gauge(leads, number(r.Leads))
	s.gauge(term, float64(r.Term))
	s.counter(turns, r.Turns)
	s.gauge(present, float64(len(r.Replicas)))
	s.gauge(completeAge, completeAgo(r))
	s.gauge(away, number(r.Away != nil))
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (s sender) readiness(reasons, troubles []bridge.Reason) {
	s.gauge(ready, number(len(reasons) == 0))
	n := map[bridge.Part]int{}
	for _, r := range slices.Concat(reasons, troubles) {
		n[r.Part]++
	}
	for _, p := range bridge.Parts() {
		s.gauge(notReady, float64(n[p]), string(p))
	}
}

var _ Bridge = (*bridge.Bridge)(nil)
