package doctor

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A brokerFile is mosquitto.conf with what it includes.
type brokerFile struct {
	name  string
	lines []confLine
}

// A confLine is one setting: a name, a space, a value.
type confLine struct {
	file  string
	line  int
	name  string
	value string
}

func (l confLine) location() string { return fmt.Sprintf("%s:%d", l.file, l.line) }

// String returns the line with its location.
func (l confLine) String() string { return fmt.Sprintf("%s: %s %s", l.location(), l.name, l.value) }

// parseBrokerFile reads the file and the files of its include_dir lines. Those are found also
// beside the file, since the paths in it may be the ones of a container.
func parseBrokerFile(name string) (*brokerFile, error) {
	f := &brokerFile{name: name}
	if err := f.read(name, true); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *brokerFile) read(name string, main bool) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	scan := bufio.NewScanner(file)
	for n := 1; scan.Scan(); n++ {
		// mosquitto.conf(5): a # counts as the very first character only; the value begins after
		// one space. Spaces before the name do not count, as people indent what stands below a
		// listener.
		text := strings.TrimRight(scan.Text(), " \t\r")
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(strings.TrimLeft(text, " "), " ")
		l := confLine{file: name, line: n, name: key, value: strings.TrimSpace(value)}
		f.lines = append(f.lines, l)
		if key == "include_dir" && main { // "only processed from the main configuration file"
			if err := f.include(l); err != nil {
				return err
			}
		}
	}
	return scan.Err()
}

// include reads *.conf of a directory in Mosquitto's order: A.conf, a.conf, B.conf.
func (f *brokerFile) include(l confLine) error {
	dir := beside(f.name, l.value)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s: include_dir: %w", l.location(), err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name()), strings.ToLower(b.Name())), strings.Compare(a.Name(), b.Name()))
	})
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".conf" {
			continue
		}
		if err := f.read(filepath.Join(dir, e.Name()), false); err != nil {
			return fmt.Errorf("%s: include_dir: %w", l.location(), err)
		}
	}
	return nil
}

// beside returns path, or where there is nothing, what has its last name in the directory of the
// file.
func beside(file, path string) string {
	near := filepath.Join(filepath.Dir(file), filepath.Base(path))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if _, err := os.Stat(near); err == nil {
		return near
	}
	return path
}

// setting returns the last line with the name, which counts.
func (f *brokerFile) setting(name string) (confLine, bool) {
	if f == nil {
		return confLine{}, false
	}
	for _, l := range slices.Backward(f.lines) {
		if l.name == name {
			return l, true
		}
	}
	return confLine{}, false
}

// plugins returns the lines that load plugins.
func (f *brokerFile) plugins() []confLine {
	var lines []confLine
	for _, l := range f.lines {
		if slices.Contains([]string{"plugin", "global_plugin", "auth_plugin", "plugin_load"}, l.name) {
			lines = append(lines, l)
		}
	}
	return lines
}

// The plugins of 2.1 for the store and for passwords have no say in what may be read.
func (l confLine) isStore() bool     { return strings.Contains(l.value, "persist_sqlite") }
func (l confLine) isPasswords() bool { return strings.Contains(l.value, "password_file") }

// line says where a setting stands in mosquitto.conf, or would, and what to write there.
func (d *doctor) line(name, write string) string {
	switch l, ok := d.file.setting(name); {
	case ok:
		return l.location() + ": " + write
	case d.file != nil:
		return d.file.name + ", a new line: " + write
	}
	return "in mosquitto.conf: " + write
}
