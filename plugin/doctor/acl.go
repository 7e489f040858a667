package doctor

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"mqtt-stomp-bridge/mapping/topic"
)

// An acl is what an acl_file says about the bridge's user. nil: not known.
type acl struct {
	file    string // "": there is none, and everything is allowed
	entries []aclEntry
	last    int // the last line about the user, 0: there is none
	mistake struct {
		line int    // of the first, 0: there is none
		what string // is wrong with it
	}
}

// An aclEntry is a topic or pattern line that counts for the user.
type aclEntry struct {
	line   int
	access string // read, write, readwrite or deny
	topic  string
}

// readACL reads the lines of an acl_file that count for the user, "" for anonymous clients, and the
// client id.
func readACL(name, user, clientID string) (*acl, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a := &acl{file: name}
	current := "" // lines before the first user line are for anonymous clients
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		text := strings.TrimSpace(scan.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(text, " ")
		rest = strings.TrimSpace(rest)
		if what := wrongWith(word, rest); what != "" && a.mistake.line == 0 {
			a.mistake.line, a.mistake.what = n, what
		}
		switch {
		case word == "user":
			current = rest
			if current == user {
				a.last = n
			}
		case word == "topic" && current == user:
			a.entries, a.last = append(a.entries, parseEntry(n, rest)), n
		case word == "pattern":
			e := parseEntry(n, rest)
			if user == "" && strings.Contains(e.topic, "%u") {
				continue
			}
			e.topic = strings.NewReplacer("%u", user, "%c", clientID).Replace(e.topic)
			a.entries = append(a.entries, e)
		}
	}
	return a, scan.Err()
}

// parseEntry parses what follows topic or pattern: an access, which may be missing, and a topic.
func parseEntry(line int, text string) aclEntry {
	if access, filter, ok := strings.Cut(text, " "); ok {
		return aclEntry{line: line, access: access, topic: strings.TrimSpace(filter)}
	}
	return aclEntry{line: line, access: "readwrite", topic: text}
}

// wrongWith returns why Mosquitto does not accept a line that has the word and the rest, "" where
// it does.
func wrongWith(word, rest string) string {
	switch {
	case !slices.Contains([]string{"user", "topic", "pattern"}, word):
		return fmt.Sprintf("a line begins with user, topic or pattern, not with %q", word)
	case rest == "":
		return "nothing follows " + word
	case word == "user":
		return ""
	}
	e := parseEntry(0, rest)
	switch {
	case !slices.Contains([]string{"read", "write", "readwrite", "deny"}, e.access):
		return fmt.Sprintf("access is read, write, readwrite or deny, not %q", e.access)
	case topic.Check(e.topic) != nil:
		return fmt.Sprintf("%q is not a topic filter", e.topic)
	}
	return ""
}

// A verdict is whether a topic filter can be read.
type verdict struct {
	known bool
	whole bool   // all of it
	part  bool   // some of it
	where string // what decides it
}

// read returns the verdict on a topic filter. Denials come first, whatever the order of the lines.
func (a *acl) read(filter string) verdict {
	if a == nil {
		return verdict{}
	}
	if a.file == "" {
		return verdict{known: true, whole: true, where: "the broker, which has no acl_file,"}
	}
	v := verdict{known: true, where: a.file}
	for _, e := range a.entries {
		if e.access != "deny" || !topic.Intersects(e.topic, filter) {
			continue
		}
		v.where = fmt.Sprintf("%s:%d", a.file, e.line)
		if topic.Covers(e.topic, filter) {
			return v
		}
		v.part = true
	}
	for _, e := range a.entries {
		if e.access != "read" && e.access != "readwrite" || !topic.Intersects(e.topic, filter) {
			continue
		}
		if topic.Covers(e.topic, filter) && !v.part {
			v.whole = true
			v.where = fmt.Sprintf("%s:%d", a.file, e.line)
			return v
		}
		v.part = true
		v.where = fmt.Sprintf("%s:%d", a.file, e.line)
	}
	return v
}

// aclLine says where in the acl_file to write a line.
func (d *doctor) aclLine(write string) string {
	user := "user " + d.cfg.Settings.Broker.Username
	if d.cfg.Settings.Broker.Username == "" {
		user = "the first user line, for anonymous clients"
	}
	switch {
	case d.acl == nil || d.acl.file == "":
		return fmt.Sprintf("in the acl_file, below %s: %s; then SIGHUP to the broker", user, write)
	case d.acl.last == 0 && d.cfg.Settings.Broker.Username == "":
		return fmt.Sprintf("%s, above its first user line: %s; then SIGHUP to the broker", d.acl.file, write)
	case d.acl.last == 0:
		return fmt.Sprintf("%s, at its end: %s, and below it: %s; then SIGHUP to the broker", d.acl.file, user, write)
	}
	return fmt.Sprintf("%s, after line %d: %s; then SIGHUP to the broker", d.acl.file, d.acl.last, write)
}
