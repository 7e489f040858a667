package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"mqtt-stomp-bridge/mapping/value"
)

// files is Options.ReadFile.
type files func(name string, most int) ([]byte, error)

var errNoFiles = errors.New("no file can be read here")

// read returns what is in the file of that path. An error does not name it.
func (f files) read(path string) ([]byte, error) {
	if f == nil {
		return nil, errNoFiles
	}
	data, err := f(path, value.MaxPayload+1)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fs.ErrNotExist
	case err == nil && len(data) > value.MaxPayload:
		err = fmt.Errorf("holds more than %d bytes", value.MaxPayload)
	}
	return data, err
}

// beside returns the path of a file that the named file calls name.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// relativeHint says where a path starts at which there is no file.
func relativeHint(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "a relative path starts where this file is"
	}
	return ""
}
