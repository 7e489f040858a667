package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"mqtt-stomp-bridge/mapping"
)

// updateTests writes what comes into the tests that expect other payloads, and returns how many
// these are.
func updateTests(m *mapping.Mapper) (tests int, err error) {
	updates, err := m.UpdateTests(os.ReadFile)
	if err != nil {
		return 0, err
	}
	for _, u := range updates {
		if err := replaceFile(u.File, u.Text); err != nil {
			return tests, err
		}
		tests += u.Tests
	}
	return tests, nil
}

// replaceFile puts data in place of what the file holds, as a whole: a bridge may watch it.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	beside, err := os.CreateTemp(filepath.Dir(name), ".check-*")
	if err != nil {
		return err
	}
	defer os.Remove(beside.Name()) // an error: it has its name by now
	if err := writeTo(beside, data, info.Mode()); err != nil {
		return err
	}
	return os.Rename(beside.Name(), name)
}

// writeTo writes all that is to be in the file, and closes it.
func writeTo(f *os.File, data []byte, mode fs.FileMode) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(mode.Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
