package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	mostTarball  = 32 << 20 // bytes
	fetchTimeout = 2 * time.Minute
)

// A store has tarballs of packages: in a folder, by their sums, those that it has fetched before.
type store struct {
	folder   string
	registry string    // without a slash at its end; "": nothing is fetched
	progress io.Writer // says what is fetched
}

// tarball returns the tarball of p, whose sum has been checked, wherever it comes from.
func (s store) tarball(ctx context.Context, p pkg) ([]byte, error) {
	kept := filepath.Join(s.folder, hex.EncodeToString(p.sum)+".tgz")
	if data, err := os.ReadFile(kept); err == nil && hasSum(data, p.sum) {
		return data, nil
	}
	if s.registry == "" {
		return nil, fmt.Errorf("package %v: not in %s", p, s.folder)
	}
	url := p.url(s.registry)
	fmt.Fprintf(s.progress, "fetching %v\n", p)
	data, err := fetch(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("package %v: %w", p, err)
	}
	if !hasSum(data, p.sum) {
		return nil, fmt.Errorf("package %v: what %s has is not what the lock file was made from: its sha512 differs", p, url)
	}
	return data, keep(kept, data)
}

func hasSum(data, sum []byte) bool {
	got := sha512.Sum512(data)
	return bytes.Equal(got[:], sum)
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching it: %w", err) // says the URL
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching %s: %s", url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, mostTarball+1))
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", url, err)
	}
	if len(data) > mostTarball {
		return nil, fmt.Errorf("fetching %s: more than %d bytes", url, mostTarball)
	}
	return data, nil
}

// keep writes a file whole or not at all: others may read it at the same time.
func keep(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // what is left of a failure
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
