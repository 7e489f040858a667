package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/mqtt"
)

// Versions of nats-server.
var (
	leastNATS  = [3]int{2, 9, 0}
	wantedNATS = [3]int{2, 12, 3}
)

// examineNATS examines the servers and the stream of a journal that replicas share. It changes
// nothing there: where the stream is missing, the first bridge makes it.
func (d *doctor) examineNATS(ctx context.Context) {
	if d.cfg.NATS == nil {
		return
	}
	var seen *jetstream.Inspection
	for i, u := range d.cfg.Settings.Journal.NATS.URL {
		c := *d.cfg.NATS
		c.URLs = []string{u.String()}
		v, err := jetstream.Inspect(ctx, c)
		if err != nil {
			d.natsUnreachable(u, i == len(d.cfg.Settings.Journal.NATS.URL)-1 && seen == nil, err)
			continue
		}
		d.ok("nats", "%s accepts %s: nats-server %s, %s", u, d.natsUser(), v.Version, describeServer(v))
		d.examineNATSVersion(v)
		if seen == nil {
			seen = v
		}
	}
	if seen != nil {
		d.examineMaxPayload(seen)
		d.examineStream(seen)
		d.examineStorage(seen)
		d.examineLeader(seen)
		d.examineReplicas(seen.Replicas)
	}
	d.examineMonitors(ctx)
}

func (d *doctor) natsUser() string {
	n := d.cfg.Settings.Journal.NATS
	switch {
	case n.Username != "":
		return fmt.Sprintf("user %q", n.Username)
	case n.CredentialsFile != "":
		return "the user of " + n.CredentialsFile
	}
	return "a client without a user"
}

func describeServer(v *jetstream.Inspection) string {
	if v.Cluster == "" {
		return fmt.Sprintf("server %s, in no cluster", v.Server)
	}
	return fmt.Sprintf("server %s of the cluster %s", v.Server, v.Cluster)
}

// natsUnreachable reports a server that does not let the bridge in. The bridge goes on to another,
// if there is one.
func (d *doctor) natsUnreachable(u *url.URL, last bool, err error) {
	f := finding{
		level: Warn, check: "nats",
		seen:  fmt.Sprintf("%s, as %s: %v", u, d.natsUser(), err),
		means: meansNATSOther,
		set:   setNATSLog,
	}
	if last {
		f.level, f.means = Fail, meansNATSNone
	}
	d.add(f)
}

func (d *doctor) examineNATSVersion(v *jetstream.Inspection) {
	version, ok := parseVersion(v.Version)
	f := finding{check: "nats-version", seen: fmt.Sprintf("%s is nats-server %s", v.Server, v.Version), set: setNATSVersion}
	switch {
	case !ok:
		return
	case slices.Compare(version[:], leastNATS[:]) < 0:
		f.level, f.means = Fail, meansNATSTooOld
	case slices.Compare(version[:], wantedNATS[:]) < 0:
		f.level, f.means = Warn, meansNATSOld
	default:
		return
	}
	d.add(f)
}

// parseVersion returns the numbers of a version such as 2.12.3 or 2.12.3-RC.1.
func parseVersion(text string) (version [3]int, ok bool) {
	text, _, _ = strings.Cut(text, "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(version) {
		return version, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil {
			return version, false
		}
		version[i] = n
	}
	return version, true
}

func (d *doctor) examineMaxPayload(v *jetstream.Inspection) {
	f := finding{
		check: "max_payload", seen: fmt.Sprintf("the servers take messages of %s", megabytes(v.MaxPayload)),
		means: meansPayload, set: setPayload,
	}
	switch {
	case v.MaxPayload < mqtt.DefaultMaxPacketSize:
		f.level = Warn // an event that only goes through may be too large
	case v.MaxPayload < 8_000_000:
		f.level = Note
	default:
		return
	}
	d.add(f)
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

func (d *doctor) examineStream(v *jetstream.Inspection) {
	s := v.Stream
	switch {
	case v.StreamErr != nil:
		d.add(finding{level: Fail, check: "stream", seen: fmt.Sprintf("it cannot be seen: %v", v.StreamErr), means: meansNATSNone, set: setRights})
		return
	case s == nil:
		d.add(finding{level: Note, check: "stream", seen: "there is none yet", means: meansNoStream})
		return
	case len(s.Differences) > 0:
		d.add(finding{
			level: Fail, check: "stream",
			seen:  fmt.Sprintf("%s has other settings than the bridge needs: %s", s.Name, strings.Join(s.Differences, "; ")),
			means: meansNotReadyNATS,
			set:   fmt.Sprintf(setStream, d.locations.of("journal.nats.name")),
		})
		return
	}
	d.ok("stream", "%s has the settings that it needs", s.Name)
	d.examineServers(s)
}

// examineServers looks at which servers have the stream, and how far they are.
func (d *doctor) examineServers(s *jetstream.StreamView) {
	if s.Replicas == 1 {
		d.add(finding{
			level: Warn, check: "stream-servers", seen: "one server keeps the stream", means: meansOneServer,
			set: d.locations.of("journal.nats.replicas") + ": 3, with three servers in a cluster, before the stream is made",
		})
		return
	}
	if s.Leader == "" {
		d.add(finding{level: Fail, check: "stream-servers", seen: "none of its servers leads the stream", means: meansNoQuorum, set: setNATSLog})
		return
	}
	var behind []string
	for _, f := range s.Followers {
		switch {
		case f.Offline:
			behind = append(behind, f.Server+" is away")
		case !f.Current:
			behind = append(behind, fmt.Sprintf("%s is not up to date: heard of %s ago, %s behind", f.Server, f.Heard.Round(time.Millisecond), count(int(f.Lag), "message")))
		}
	}
	if missing := s.Replicas - 1 - len(s.Followers); missing > 0 {
		behind = append(behind, count(missing, "server")+" missing")
	}
	if len(behind) > 0 {
		d.add(finding{
			level: Warn, check: "stream-servers",
			seen:  fmt.Sprintf("%s leads, of %d; %s", s.Leader, s.Replicas, strings.Join(behind, ", ")),
			means: meansBehind, set: setNATSLog,
		})
		return
	}
	d.ok("stream-servers", "%s leads, and all %d have the whole stream", s.Leader, s.Replicas)
}

// examineStorage compares what the stream may come to need with what the account has left.
func (d *doctor) examineStorage(v *jetstream.Inspection) {
	used := int64(0)
	if v.Stream != nil {
		used = v.Stream.Bytes
	}
	needs := 3*int64(d.cfg.Settings.Journal.MaxBytes) + 64<<20
	servers := int64(d.cfg.Settings.Journal.NATS.Replicas)
	switch left := v.StorageLeft; {
	case v.StorageErr != nil && v.StreamErr != nil: // said already
	case v.StorageErr != nil:
		d.add(finding{level: Note, check: "storage", seen: fmt.Sprintf("the account's limits cannot be seen: %v", v.StorageErr), means: meansNoAccount})
	case left >= 0 && left < (needs-used)*servers:
		d.add(finding{
			level: Fail, check: "storage",
			seen:  fmt.Sprintf("the account may store %s more, the stream may need %s more on each of %s", megabytes(left), megabytes(needs-used), count(int(servers), "server")),
			means: meansNoRoom,
			set:   "more storage for the account; or less: " + d.locations.of("journal.max_bytes"),
		})
	default:
		d.ok("storage", "the stream has %s, and may come to %s on each server", megabytes(used), megabytes(needs))
	}
}

func (d *doctor) examineLeader(v *jetstream.Inspection) {
	switch {
	case v.LeaderErr != nil:
		d.add(finding{level: Warn, check: "lease", seen: fmt.Sprintf("who leads cannot be seen: %v", v.LeaderErr), set: setRights})
	case v.Leader != "":
		d.ok("lease", "%s leads, since %s", v.Leader, v.Since.Local().Format(time.DateTime))
	case len(v.Replicas) > 0:
		d.add(finding{level: Warn, check: "lease", seen: "no replica leads now", means: meansNobodyLeads})
	default:
		d.add(finding{level: Note, check: "lease", seen: "no replica leads: none runs"})
	}
}

// examineReplicas compares the replicas that run with each other and this configuration.
func (d *doctor) examineReplicas(all []journal.Replica) {
	if len(all) == 0 {
		d.add(finding{level: Note, check: "replicas", seen: "none runs, or none answers"})
		return
	}
	c, sound := d.cfg.Settings, true
	for i, r := range all {
		d.ok("replicas", "%s is there: version %s, position %d, %s", r.ID, cmp.Or(r.Version, "unknown"), r.Position, count(r.Sessions, "session"))
		differ := func(level Level, key, theirs, ours, means string) {
			if theirs != "" && theirs != ours {
				sound = false
				d.add(finding{
					level: level, check: "replicas", seen: fmt.Sprintf("%s has the %s %q, here it is %q", r.ID, key, theirs, ours),
					means: means, set: "the same at all replicas",
				})
			}
		}
		differ(Fail, "broker.client_id", r.ClientID, c.Broker.ClientID, meansTwoSessions)
		differ(Fail, "broker.base_topic", r.BaseTopic, c.Broker.BaseTopic, meansTwoTopics)
		differ(Warn, "configuration", r.Config, c.ReplicaHash, meansOtherConfig)
		if i > 0 && all[i-1].ID == r.ID {
			sound = false
			d.add(finding{
				level: Fail, check: "replicas", seen: fmt.Sprintf("two replicas have the id %q", r.ID), means: meansTwoIDs,
				set: d.locations.of("journal.nats.id") + ": another one at each",
			})
		}
	}
	if sound {
		d.ok("replicas", "%s, all with this configuration", count(len(all), "replica"))
	}
}
