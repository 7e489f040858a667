package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// What others do to the file while it is open is not seen by those who write and map it: a file
// that was removed takes every Append, and loses it with the process.

const lookEvery = 2 * time.Second

// watch looks after the file until the log has ended, and ends it when the file is not the one that
// was opened.
func (l *Log) watch() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.seat.Done():
			return
		case <-ticker.C:
		}
		if err := l.look(); err != nil {
			l.fail(err)
			return
		}
	}
}

var (
	errMoved = errors.New("the file was removed, renamed or replaced while it was open, and what was appended since is lost; " +
		"put it back, or start again with what is there")
	errOverwritten = fmt.Errorf("%w: another program has written to the file while it was open", ErrDamaged)
)

// look reports whether the file is still there, and is what this log has written.
func (l *Log) look() error {
	info, err := os.Stat(l.path())
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errMoved
	case err != nil:
		return nil // it may be there
	case !os.SameFile(info, l.opened):
		return errMoved
	case info.Size() < l.opened.Size(): // it only grows
		return fmt.Errorf("%w: the file has become shorter while it was open", ErrDamaged)
	}
	select {
	case l.committing <- struct{}{}:
		defer func() { <-l.committing }()
	default:
		return nil // who commits looks at the state
	}
	err = l.view(l.checkState)
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return nil
}

// checkState reports whether the state in the file is the one of the last commit. The caller holds
// committing.
func (l *Log) checkState(tx *bolt.Tx) error {
	if log := tx.Bucket(bucketLog); log == nil || !bytes.Equal(log.Get(keyState), l.state) {
		return errOverwritten
	}
	return nil
}

// checkHead reports whether the file still begins with a page that bbolt can start from. Without,
// it would panic with its locks held.
func (l *Log) checkHead() error {
	_, err := readMeta(l.file, l.pageSize, true)
	return err
}
