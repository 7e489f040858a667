// Package demo holds the parts of the demo: rules, a broker, a story to publish to it, and a page
// that shows what arrives.
package demo

import (
	_ "embed"
	"slices"
)

//go:embed demo.yaml
var config []byte

// Config returns the tables and rules for the topics of [Story] and [Example], as a configuration
// file has them.
func Config() []byte { return slices.Clone(config) }
