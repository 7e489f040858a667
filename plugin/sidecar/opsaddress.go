package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A running bridge writes down where its ops endpoint is, since the configuration may be edited
// meanwhile, and with a mistake: beside the journal, which healthcheck sees in a container too, and
// in a directory of the user's own for temporary files.

// writeOpsAddress writes the address down for the configuration at path. A place that cannot be
// written to is left out: healthcheck does without. The returned function takes it back.
func writeOpsAddress(journalDir, path, address string) (remove func()) {
	os.Mkdir(ownTempDir(), 0o700)
	var written []string
	for _, name := range opsAddressFiles(journalDir, path) {
		if os.WriteFile(name, []byte(address+"\n"), 0o600) == nil {
			written = append(written, name)
		}
	}
	return func() {
		for _, name := range written {
			if readOpsAddress(name) == address { // and not that of a bridge which has come after
				os.Remove(name)
			}
		}
		os.Remove(ownTempDir()) // unless it holds those of other bridges
	}
}

// opsAddresses returns what bridges with the configuration at path have written down and not taken
// back.
func opsAddresses(journalDir, path string) []string {
	var addresses []string
	for _, name := range opsAddressFiles(journalDir, path) {
		if a := readOpsAddress(name); a != "" && !slices.Contains(addresses, a) {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

func readOpsAddress(name string) string {
	b, _ := os.ReadFile(name)
	return strings.TrimSpace(string(b))
}

// opsAddressFiles returns where the address may be written down.
func opsAddressFiles(journalDir, path string) []string {
	var files []string
	if info, err := os.Stat(journalDir); err == nil && info.IsDir() {
		files = append(files, filepath.Join(journalDir, "ops.address"))
	}
	absolute, err := filepath.Abs(path)
	if err != nil || !ownDir(ownTempDir()) {
		return files
	}
	return append(files, filepath.Join(ownTempDir(), fmt.Sprintf("%x.address", sha256.Sum256([]byte(absolute)))))
}

func ownTempDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("mqtt-stomp-bridge-%d", os.Getuid()))
}

// ownDir reports whether nobody else can write to the directory: temporary files are open to
// everybody.
func ownDir(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.Mode() == fs.ModeDir|0o700 && ownedByUser(info)
}
