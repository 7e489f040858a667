package config

import _ "embed"

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of config.yaml and of included files, for editors. It must not be
// changed.
func Schema() []byte { return schema }
