package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// fingerprint returns the Hash of c. A secret adds nothing to it: a published hash of a weak
// password would let everybody guess it. A path counts as it was written, so that a configuration
// has the same hash wherever it lies.
func (l *loader) fingerprint(c *Config) string {
	return l.fingerprintOf(c, func(Key) bool { return true })
}

// replicaFingerprint returns the ReplicaHash of c.
func (l *loader) replicaFingerprint(c *Config) string {
	return l.fingerprintOf(c, func(k Key) bool { return !k.own })
}

func (l *loader) fingerprintOf(c *Config, counts func(Key) bool) string {
	h := sha256.New()
	settings := c.settings()
	for _, k := range keys {
		if counts(k) {
			l.hashSetting(h, k, settings)
		}
	}
	for i, p := range l.providers {
		fmt.Fprintf(h, "provider %d\n", i)
		one := (&Config{Auth: Auth{JWT: p.jwt}}).settings()
		l.within(p, func() {
			for _, k := range keys {
				if strings.HasPrefix(k.Path, jwtSection+".") {
					l.hashSetting(h, k, one)
				}
			}
		})
	}
	if len(c.Auth.Kinds) > 1 { // their order matters
		fmt.Fprintf(h, "auth %q\n", c.Auth.Kinds)
	}
	for _, s := range l.sources {
		for _, n := range []*yaml.Node{s.Access, s.Tables, s.Rules, s.Tests} {
			hashNode(h, n)
		}
		hashMemory(h, s)
	}
	l.hashBeside(h)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// rulesFingerprint returns the RulesHash of what was read.
func (l *loader) rulesFingerprint() string {
	h := sha256.New()
	for _, s := range l.sources {
		hashNode(h, s.Tables)
		hashNode(h, s.Rules)
		hashMemory(h, s)
	}
	l.hashBeside(h)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// hashMemory adds the memories of a file. One without has the hash that it had when there were none.
func hashMemory(h hash.Hash, s mapping.Source) {
	if s.Memory != nil {
		hashNode(h, s.Memory)
	}
}

// hashBeside adds what the files hold that rules and tests name, in whatever order they were read:
// imports of .proto files come in any.
func (l *loader) hashBeside(h hash.Hash) {
	slices.SortFunc(l.sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, sum := range l.sums {
		h.Write(sum[:])
	}
}

// hashSetting adds the value that a setting has. One of the newer settings that is at its default
// adds nothing, so that versions which do not have it come to the same hash.
func (l *loader) hashSetting(h hash.Hash, k Key, settings tree) {
	value := format(settings.at(k.Path))
	switch {
	case strings.HasPrefix(k.Path, "journal.nats.") && value == k.Default():
		return
	case k.Secret:
		value = ""
	case k.kind.path:
		value = list(l.settings[k.Path], func(s setting) string { return s.text })
	}
	fmt.Fprintf(h, "%s %q\n", k.Path, value)
}

// hashNode adds what n says, without comments and places. An alias counts by its name: followed, a
// few lines of them could stand for more nodes than there is memory.
func hashNode(h hash.Hash, n *yaml.Node) {
	if n == nil {
		io.WriteString(h, "-\n")
		return
	}
	fmt.Fprintf(h, "%d %t %q %q %d\n", n.Kind, source.Quoted(n), n.Anchor, n.Value, len(n.Content))
	for _, c := range n.Content {
		hashNode(h, c)
	}
}
