package demo

import (
	"io/fs"
	"net/http"
	"strings"
)

// PlainPage is Page of a build without the inbox.
func PlainPage(b Bridge, c PageConfig) http.Handler { return newPage(withoutInbox{embedded}, b, c) }

type withoutInbox struct{ fs.FS }

func (f withoutInbox) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "page/inbox") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.FS.Open(name)
}
