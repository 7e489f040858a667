package payload

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoreflect"

	"mqtt-stomp-bridge/mapping/value"
)

// wellKnown is where the imports are that the compiler brings along.
const wellKnown = "google/protobuf/"

// A Schema is a .proto file, compiled.
type Schema struct {
	messages map[string]protoreflect.MessageDescriptor // by their full names
}

// CompileSchema compiles the .proto file of that name. Its read function is given this name and
// those of imports, with slashes, and none of which leads upwards; it is called by one goroutine at
// a time, and not after CompileSchema has returned. The errors are all mistakes in the files, each
// with its place.
func CompileSchema(name string, read func(name string) ([]byte, error)) (*Schema, []error) {
	r := &schemaReader{read: read}
	defer r.close()
	var mistakes []error
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(r),
		MaxParallelism: 1,
		Reporter: reporter.NewReporter(func(err reporter.ErrorWithPos) error {
			mistakes = append(mistakes, err)
			return nil // and go on
		}, nil),
	}
	files, err := compiler.Compile(context.Background(), name)
	switch {
	case len(mistakes) > 0:
		return nil, mistakes
	case err != nil:
		return nil, []error{err}
	}
	s := &Schema{messages: map[string]protoreflect.MessageDescriptor{}}
	s.add(files[0].Messages())
	return s, nil
}

// add adds the messages, and those that are declared within them.
func (s *Schema) add(messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		m := messages.Get(i)
		if !m.IsMapEntry() {
			s.messages[string(m.FullName())] = m
			s.add(m.Messages())
		}
	}
}

// Messages returns the full names of the file's messages, sorted.
func (s *Schema) Messages() []string { return slices.Sorted(maps.Keys(s.messages)) }

// Encoding returns the encoding of a message of Messages, under the name that a rule gives to it.
func (s *Schema) Encoding(name, message string) *Encoding {
	return decoded(name, value.TypeObject, protobuf{s.messages[message]}.decode)
}

// A schemaReader gives files to the compiler, whose goroutines may outlive the compilation.
type schemaReader struct {
	mu   sync.Mutex
	read func(name string) ([]byte, error) // nil: closed
}

func (r *schemaReader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = nil
}

// FindFileByPath implements protocompile.Resolver.
func (r *schemaReader) FindFileByPath(name string) (protocompile.SearchResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.read == nil:
		return protocompile.SearchResult{}, context.Canceled
	case strings.HasPrefix(name, wellKnown): // brought along, so that their messages are what they are known for
		return protocompile.SearchResult{}, fs.ErrNotExist
	case !fs.ValidPath(name):
		return protocompile.SearchResult{}, errors.New("it leads out of the folders where imports are looked for")
	}
	data, err := r.read(name)
	return protocompile.SearchResult{Source: bytes.NewReader(data)}, err
}
