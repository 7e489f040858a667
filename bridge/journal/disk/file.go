package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// Why this reads the file itself, where bbolt has Tx.Check: that runs in a goroutine of its own,
// over the mapped file, so a page that the disk does not give back ends the process, and so does an
// offset that a flipped bit has made large. Of 300 flipped bits in heads of pages, three ended it
// and three kept it busy for ever.

// What bbolt's file looks like, as far as it must be right for bbolt to read it without harm.
// Numbers are the machine's.
//
//	page:    id 8 | flags 2 | count 2 | overflow 4 | elements | keys and values
//	branch:  element: offset 4 | key length 4 | page 8
//	leaf:    element: flags 4 | offset 4 | key length 4 | value length 4
//	bucket:  the value of a leaf element with flag 1: page 8 | sequence 8 | where page is 0, a leaf page
//	meta:    in pages 0 and 1: magic 4 | version 4 | page size 4 | flags 4 | page of the root bucket 8 | its sequence 8 |
//	         page of the free list 8 | number of pages 8 | transaction 8 | checksum 8
//
// Offsets count from their element.
const (
	pageHeader    = 16
	elementSize   = 16
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1
	bucketHeader  = 16
	metaSize      = 64
	noFreelist    = ^uint64(0)
	maxDepth      = 64
)

var native = binary.NativeEndian

// readHead reports whether the disk gives back what the file begins with, whatever that is.
func readHead(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(io.Discard, f, metaSize)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// checkFile reports whether the database file is whole: as long as its own count of pages says,
// every page where it belongs and within itself, every page used once, all keys in order.
func checkFile(ctx context.Context, path string, pageSize int, unclean bool, p *progress) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := readMeta(f, pageSize, unclean)
	if err != nil {
		return err
	}
	if want := m.pages * uint64(pageSize); uint64(info.Size()) < want {
		return fmt.Errorf("%w: the file has %d bytes of %d", ErrDamaged, info.Size(), want)
	}
	w := walk{
		ctx: ctx, file: f, pageSize: uint64(pageSize), pages: m.pages, seen: make([]bool, m.pages),
		progress: p,
	}
	_, err = w.page(m.root, nil, nil, 0)
	return err
}

type meta struct {
	root, pages, transaction uint64
}

// readMeta returns what bbolt will take for the newest meta page. Each commit writes one of the two
// in turn; only an unclean stop may leave one half written.
func readMeta(f io.ReaderAt, pageSize int, unclean bool) (newest meta, err error) {
	valid := 0
	for i := range 2 {
		b := make([]byte, metaSize)
		if _, err := f.ReadAt(b, int64(i*pageSize+pageHeader)); err != nil {
			return meta{}, err
		}
		sum := fnv.New64a()
		sum.Write(b[:metaSize-8])
		if sum.Sum64() != native.Uint64(b[metaSize-8:]) {
			continue
		}
		valid++
		m := meta{root: native.Uint64(b[16:]), pages: native.Uint64(b[40:]), transaction: native.Uint64(b[48:])}
		if m.transaction < newest.transaction {
			continue
		}
		newest, err = m, nil
		if native.Uint64(b[32:]) != noFreelist {
			err = fmt.Errorf("%w: a list of free pages, which this program does not write", ErrDamaged)
		}
	}
	if valid == 0 || valid == 1 && !unclean {
		return meta{}, fmt.Errorf("%w: the file's head", ErrDamaged)
	}
	return newest, err
}

// A walk visits every page that is in use.
type walk struct {
	ctx             context.Context
	file            io.ReaderAt
	pageSize, pages uint64
	seen            []bool
	visited         uint64
	buffers         [maxDepth][]byte
	progress        *progress
}

// page checks the page and those below it. Its keys must not lie before min, nor at or after max;
// nil is no bound. It returns the last key.
func (w *walk) page(id uint64, min, max []byte, depth int) (last []byte, err error) {
	p, err := w.read(id, depth)
	if err != nil {
		return nil, err
	}
	bad := func(what string) error { return fmt.Errorf("%w: page %d: %s", ErrDamaged, id, what) }
	flags, count := native.Uint16(p[8:]), int(native.Uint16(p[10:]))
	if flags != branchPage && flags != leafPage {
		return nil, bad("neither branch nor leaf")
	}
	if pageHeader+count*elementSize > len(p) || flags == branchPage && count == 0 {
		return nil, bad("elements that do not fit")
	}
	for i := range count {
		e, ok := newElement(p, flags, i)
		if !ok {
			return nil, bad("an element that does not fit")
		}
		if i == 0 && bytes.Compare(e.key, min) < 0 || i > 0 && bytes.Compare(e.key, last) <= 0 || max != nil && bytes.Compare(e.key, max) >= 0 {
			return nil, bad("keys out of order")
		}
		last = e.key
		switch {
		case flags == branchPage:
			below := max
			if next, ok := newElement(p, flags, i+1); i+1 < count {
				if !ok {
					return nil, bad("an element that does not fit")
				}
				below = next.key
			}
			if last, err = w.page(e.page, e.key, below, depth+1); err != nil {
				return nil, err
			}
			last = bytes.Clone(last)
		case e.bucket:
			if err := w.bucket(e.value, depth); err != nil {
				return nil, fmt.Errorf("bucket %q: %w", e.key, err)
			}
		}
	}
	return last, nil
}

func (w *walk) bucket(value []byte, depth int) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(value))
	}
	if root := native.Uint64(value); root != 0 {
		_, err := w.page(root, nil, nil, depth+1)
		return err
	}
	p := value[bucketHeader:]
	if len(p) < pageHeader || native.Uint16(p[8:]) != leafPage || native.Uint64(p) != 0 || native.Uint32(p[12:]) != 0 {
		return fmt.Errorf("%w: no page inside", ErrDamaged)
	}
	var last []byte
	for i := range int(native.Uint16(p[10:])) {
		e, ok := newElement(p, leafPage, i)
		if !ok || e.bucket || i > 0 && bytes.Compare(e.key, last) <= 0 {
			return fmt.Errorf("%w: an element that does not fit", ErrDamaged)
		}
		last = e.key
	}
	return nil
}

// read returns the page with those that it flows over into. The bytes hold until the next read at
// the same depth.
func (w *walk) read(id uint64, depth int) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if depth == maxDepth || id < 2 || id >= w.pages {
		return nil, fmt.Errorf("%w: a reference to page %d of %d", ErrDamaged, id, w.pages)
	}
	p, err := w.readAt(id, 1, depth)
	if err != nil {
		return nil, err
	}
	n := uint64(native.Uint32(p[12:])) + 1
	if native.Uint64(p) != id || id+n > w.pages {
		return nil, fmt.Errorf("%w: page %d is not there", ErrDamaged, id)
	}
	for i := range n {
		if w.seen[id+i] {
			return nil, fmt.Errorf("%w: page %d is used twice", ErrDamaged, id+i)
		}
		w.seen[id+i] = true
	}
	w.visited += n
	if w.progress.due() {
		w.progress.at(w.visited, w.pages, "bytes", w.visited*w.pageSize, "of", w.pages*w.pageSize)
	}
	if n == 1 {
		return p, nil
	}
	return w.readAt(id, n, depth)
}

func (w *walk) readAt(id, n uint64, depth int) ([]byte, error) {
	if size := int(n * w.pageSize); cap(w.buffers[depth]) < size {
		w.buffers[depth] = make([]byte, size)
	}
	p := w.buffers[depth][:n*w.pageSize]
	if _, err := w.file.ReadAt(p, int64(id*w.pageSize)); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	return p, nil
}

type element struct {
	key, value []byte
	page       uint64
	bucket     bool
}

// newElement returns the i-th element of the page, and whether it lies within.
func newElement(p []byte, flags uint16, i int) (e element, ok bool) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(p) {
		return e, false
	}
	h := p[at:]
	var offset, keyLen, valueLen uint64
	if flags == branchPage {
		offset, keyLen = uint64(native.Uint32(h)), uint64(native.Uint32(h[4:]))
		e.page = native.Uint64(h[8:])
	} else {
		e.bucket = native.Uint32(h)&bucketElement != 0
		offset, keyLen, valueLen = uint64(native.Uint32(h[4:])), uint64(native.Uint32(h[8:])), uint64(native.Uint32(h[12:]))
	}
	if offset+keyLen+valueLen > uint64(len(h)) {
		return e, false
	}
	e.key = h[offset:][:keyLen]
	e.value = h[offset+keyLen:][:valueLen]
	return e, true
}
