package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/plugin/config"
)

// locations say where settings come from: the line of the file, or the variable.
type locations struct {
	file    string
	root    *yaml.Node // nil: not readable any more
	environ []string
}

func newLocations(c *config.Config, environ []string) locations {
	l := locations{environ: environ}
	if len(c.Files) == 0 {
		return l
	}
	l.file = c.Files[0]
	var document yaml.Node
	data, err := os.ReadFile(l.file)
	if err == nil && yaml.Unmarshal(data, &document) == nil && len(document.Content) == 1 {
		l.root = document.Content[0]
	}
	return l
}

// of returns where the setting at a path such as journal.dir stands, or would.
func (l locations) of(path string) string {
	variable := "BRIDGE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
	given := slices.ContainsFunc(l.environ, func(v string) bool { return strings.HasPrefix(v, variable+"=") })
	if given {
		return variable
	}
	if line := l.line(path); line > 0 {
		return fmt.Sprintf("%s:%d: %s", l.file, line, path)
	}
	return l.file + ": " + path
}

// line returns the line of the setting in the file, 0 where it is not there.
func (l locations) line(path string) int {
	node, line := l.root, 0
	for name := range strings.SplitSeq(path, ".") {
		key, value := child(node, name)
		if key == nil {
			return 0
		}
		node, line = value, key.Line
	}
	return line
}

// child returns the pair of a mapping that has the name, or nil.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
