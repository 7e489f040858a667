package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	mostUnpacked = 128 << 20 // bytes, of one package
	mostFiles    = 10_000    // likewise
)

// unpack writes the files of an npm tarball into folder, below which everything stays. All of them
// stand in one folder there, which is "package" as a rule.
func unpack(tarball []byte, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	zipped, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	limited := &io.LimitedReader{R: zipped, N: mostUnpacked}
	files := tar.NewReader(limited)
	for n := 0; ; n++ {
		header, err := files.Next()
		if limited.N <= 0 || n == mostFiles {
			return fmt.Errorf("unpacking: more than %d bytes or %d files", mostUnpacked, mostFiles)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if err := unpackFile(root, header, files); err != nil {
			return fmt.Errorf("unpacking %q: %w", header.Name, err)
		}
	}
}

func unpackFile(root *os.Root, header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeDir {
		return nil // made for the files in it
	}
	whole := filepath.FromSlash(header.Name)
	_, name, _ := strings.Cut(filepath.Clean(whole), string(filepath.Separator))
	if header.Typeflag != tar.TypeReg || !filepath.IsLocal(whole) || name == "" {
		return errors.New("want files inside one folder, and nothing else")
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
