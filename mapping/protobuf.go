package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/payload"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/mapping/spelling"
)

// protobuf returns the encoding of the message in the .proto file that kind names.
func (c *ruleCompiler) protobuf(kind source.Pair, message *yaml.Node) *payload.Encoding {
	const example = "write {protobuf: FILE.proto, message: PACKAGE.NAME}"
	switch n := kind.Value; {
	case n.Kind != yaml.ScalarNode || n.Value == "":
		c.in.errorf(n, example, "protobuf takes the path of a .proto file, not %s", source.Describe(n))
		return nil
	case message == nil:
		c.in.errorf(kind.Key, example, "protobuf needs the message that the payload is")
		return nil
	case message.Kind != yaml.ScalarNode || message.Value == "":
		c.in.errorf(message, example, "message takes the name of a message, not %s", source.Describe(message))
		return nil
	}
	path := beside(c.in.file.Name, kind.Value.Value)
	schema := c.schema(path, kind.Value)
	if schema == nil {
		return nil
	}
	if known := schema.Messages(); !slices.Contains(known, message.Value) {
		c.in.errorf(message, messageHint(message.Value, known), "%s has no message %q", kind.Value.Value, message.Value)
		return nil
	}
	key := path + "\x00" + message.Value
	if c.all.encodings[key] == nil {
		name := fmt.Sprintf("{protobuf: %s, message: %s}", kind.Value.Value, message.Value)
		c.all.encodings[key] = schema.Encoding(name, message.Value)
	}
	return c.all.encodings[key]
}

// messageHint names the message that was probably meant.
func messageHint(name string, known []string) string {
	for _, k := range known {
		if strings.HasSuffix(k, "."+name) {
			return "write message: " + k
		}
	}
	if len(known) == 0 {
		return "the file declares no message"
	}
	return spelling.DidYouMean(name, known)
}

// maxSchemaMistakes is how many mistakes of one .proto file are told.
const maxSchemaMistakes = 10

// schema returns the .proto file at the path, compiled; nil when that cannot be done. What is wrong
// is reported once, at n.
func (c *ruleCompiler) schema(path string, n *yaml.Node) *payload.Schema {
	if s, seen := c.all.schemas[path]; seen {
		c.in.bad = c.in.bad || s == nil
		return s
	}
	c.all.schemas[path] = nil
	data, err := c.all.files.read(path)
	if err != nil {
		c.in.errorf(n, relativeHint(err), "protobuf: %q: %v", n.Value, err)
		return nil
	}
	main := filepath.Base(path)
	s, mistakes := payload.CompileSchema(main, func(name string) ([]byte, error) {
		if name == main {
			return data, nil
		}
		return c.readImport(path, name)
	})
	for i, mistake := range mistakes {
		if i == maxSchemaMistakes {
			c.in.errorf(n, "", "%s: and %d more mistakes", n.Value, len(mistakes)-i)
			break
		}
		c.in.errorf(n, schemaHint(mistake), "%v", mistake)
	}
	c.all.schemas[path] = s
	return s
}

func schemaHint(mistake error) string {
	if errors.Is(mistake, fs.ErrNotExist) {
		return "imports are looked for in the folder of the .proto file and in those above it, up to that of this file; google/protobuf is built in"
	}
	return "the place is in the .proto file"
}

// readImport returns the file that the .proto file at the path, or one that it imports, calls name:
// it is in the folder of the path or in one above it, not above that of the YAML file.
func (c *ruleCompiler) readImport(path, name string) ([]byte, error) {
	top := filepath.Dir(c.in.file.Name)
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		data, err := c.all.files.read(filepath.Join(dir, filepath.FromSlash(name)))
		above, _ := filepath.Rel(top, dir)
		if !errors.Is(err, fs.ErrNotExist) || above == "." || above == "" || strings.HasPrefix(above, "..") {
			return data, err
		}
	}
}
