package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A serverStatus is what a NATS server tells of itself at /varz of its monitoring port, as far as it
// matters here.
type serverStatus struct {
	Name      string `json:"server_name"`
	Version   string `json:"version"`
	JetStream struct {
		Config *struct {
			MaxStorage   int64         `json:"max_storage"`
			SyncInterval time.Duration `json:"sync_interval"` // 0: a version that does not tell
			SyncAlways   bool          `json:"sync_always"`
		} `json:"config"`
		Stats struct {
			Storage  int64 `json:"storage"`
			Reserved int64 `json:"reserved_storage"`
		} `json:"stats"`
	} `json:"jetstream"`
}

const (
	monitorTimeout = 5 * time.Second
	monitorBytes   = 1 << 20
)

// examineMonitors asks the monitoring ports what the servers do not tell their clients.
func (d *doctor) examineMonitors(ctx context.Context) {
	n := d.cfg.Settings.Journal.NATS
	if len(n.MonitorURL) == 0 {
		d.add(finding{
			level: Warn, check: "sync_interval", seen: "whether the servers sync what they store cannot be seen by a client",
			means: meansNoSync, set: setSync + "; and " + d.locations.of("journal.nats.monitor_url") + ", so that doctor can see it",
		})
		return
	}
	for _, u := range n.MonitorURL {
		s, err := askMonitor(ctx, u)
		if err != nil {
			d.add(finding{
				level: Warn, check: "monitor", seen: err.Error(), means: "whether this server syncs what it stores is not known",
				set: "http: " + u.Host + " in the server's configuration; or " + d.locations.of("journal.nats.monitor_url"),
			})
			continue
		}
		d.examineSync(s)
		d.examineDisk(s)
	}
	if missing := n.Replicas - len(n.MonitorURL); missing > 0 {
		d.add(finding{level: Note, check: "monitor", seen: fmt.Sprintf("journal.nats.monitor_url has %d of %d servers: the others were not looked at", len(n.MonitorURL), n.Replicas)})
	}
}

func askMonitor(ctx context.Context, u *url.URL) (*serverStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	at := u.JoinPath("varz").String()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", at, answer.Status)
	}
	var s serverStatus
	if err := json.NewDecoder(io.LimitReader(answer.Body, monitorBytes)).Decode(&s); err != nil {
		return nil, fmt.Errorf("%s is not a NATS server's monitoring port: %w", u, err)
	}
	return &s, nil
}

func (d *doctor) examineSync(s *serverStatus) {
	f := finding{level: Warn, check: "sync_interval", means: meansNoSync, set: setSync}
	switch c := s.JetStream.Config; {
	case c == nil:
		f.level, f.seen, f.means = Fail, s.Name+" runs without JetStream", meansNATSNone
	case c.SyncAlways:
		d.ok("sync_interval", "%s syncs what it stores before it answers", s.Name)
		return
	case c.SyncInterval == 0:
		f.seen = fmt.Sprintf("%s, nats-server %s, does not tell whether it syncs what it stores", s.Name, s.Version)
	default:
		f.seen = fmt.Sprintf("%s syncs what it stores every %s", s.Name, c.SyncInterval)
	}
	d.add(f)
}

// examineDisk compares what one server has left with what the stream may come to need there.
func (d *doctor) examineDisk(s *serverStatus) {
	if s.JetStream.Config == nil {
		return
	}
	left := s.JetStream.Config.MaxStorage - max(s.JetStream.Stats.Storage, s.JetStream.Stats.Reserved)
	needs := 3*int64(d.cfg.Settings.Journal.MaxBytes) + 64<<20
	if s.JetStream.Stats.Reserved >= needs || left >= needs { // reserved: the stream is there
		return
	}
	d.add(finding{
		level: Fail, check: "storage",
		seen:  fmt.Sprintf("%s may store %s more, the stream may come to need %s", s.Name, megabytes(left), megabytes(needs)),
		means: meansNoRoom, set: "max_file_store of the server; or less: " + d.locations.of("journal.max_bytes"),
	})
}
