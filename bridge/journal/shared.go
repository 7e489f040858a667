package journal

import "time"

// A Shared log is one that several replicas have.
type Shared interface {
	Log

	// Standing returns how this replica and the log stand. It does not wait.
	Standing() Standing
}

// Standing is how a replica and its log stand.
type Standing struct {
	ID     string // of this replica
	Leads  bool   // this one does
	Leader string // ID of the one that leads, as far as known; "" nobody, or not known
	Term   uint64 // of the newest turn that was followed; 0: there was none
	Turns  int64  // that this process has begun

	Complete time.Time // this replica had all that was in the log at that time
	Away     error     // why the log cannot be reached now; nil: it can

	Conflict error // why this replica and others that are present cannot share the log; nil: they can

	Replicas []Replica // that are known to be present, this one too, by ID
}

// A Replica is what one tells the others of itself.
type Replica struct {
	ID      string `json:"id"`
	Version string `json:"version"` // of the program
	Config  string `json:"config"`  // identifies its configuration
	Formats []int  `json:"formats"` // of the log, that it reads

	// What these name belongs to all replicas together, so they are the same at all of them.
	ClientID  string `json:"client_id"`
	BaseTopic string `json:"base_topic"`

	Leads    bool      `json:"leads"`
	Term     uint64    `json:"term"`     // of the newest turn that it has followed
	Position uint64    `json:"position"` // up to here it has followed the log
	Sessions int       `json:"sessions"` // of clients
	Began    time.Time `json:"began"`    // when it opened the log, by its own clock
	Seen     time.Time `json:"-"`        // when it told this, by the clock of who heard it
}
