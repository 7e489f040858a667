package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// fingerprint returns the Hash of c, whose tables, rules and tests are sources. A secret adds nothing but its key: a
// published hash of a weak password would let everybody guess it.
func fingerprint(c *Config, sources []mapping.Source) string {
	h := sha256.New()
	settings := c.settings()
	for _, k := range keys {
		value := format(settings.at(k.Path))
		if k.Secret {
			value = ""
		}
		fmt.Fprintf(h, "%s %q\n", k.Path, value)
	}
	for _, s := range sources {
		for _, n := range []*yaml.Node{s.Tables, s.Rules, s.Tests} {
			hashNode(h, n)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// hashNode adds what n says, without comments and places. An alias counts by its name: followed, a few lines of them
// could stand for more nodes than there is memory.
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
