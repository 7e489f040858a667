// Package workbench checks rules that somebody is editing and tries them on events, beside a bridge at
// work. It writes nothing, neither to the bridge nor to a file; what it reads, plugin/config does.
//
// Its documents are those of the commands check and try, so that a page and a program see the same.
package workbench

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"mqtt-stomp-bridge/plugin/config"
)

// A Source is the configuration whose rules are edited. Its methods are safe for concurrent use.
type Source struct {
	Path    string   // of the configuration
	Environ []string // in the form of os.Environ
}

// A File is one that holds rules.
type File struct {
	Name string `json:"name"` // as seen from the folder of the configuration
	Text string `json:"text"`
	Why  string `json:"why,omitempty"` // it cannot be edited; absent: it can
}

// Files returns the files as they are now: the tables, memory, rules and tests, and lines that stand
// for everything else. They hold no secret.
func (s Source) Files() []File {
	var files []File
	for _, f := range config.RuleFiles(s.Path, s.Environ) {
		files = append(files, File{Name: s.shown(f.Name), Text: f.Text, Why: f.Why})
	}
	return files
}

// Checked is what became of edited files.
type Checked struct {
	Report
	// Unfinished is how many tests were left when the time was up.
	Unfinished int `json:"unfinished,omitempty"`
	// Others are mistakes in what is not edited, by place and kind.
	Others []string `json:"others,omitempty"`
}

// testTime bounds the tests of one check.
const testTime = 2 * time.Second

// Check checks the files, and those as they are that are not among them, and runs the tests beside the
// rules. An error tells that there is no such file.
func (s Source) Check(ctx context.Context, files []File) (Checked, error) {
	e, err := s.edited(files)
	if err != nil {
		return Checked{}, err
	}
	c := s.checked(e)
	s.runTests(ctx, e, &c)
	return c, nil
}

// runTests runs the tests beside the rules, where these can be tried.
func (s Source) runTests(ctx context.Context, e config.Edited, c *Checked) {
	if e.Mapper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	before := len(c.Problems)
	c.RunTests(ctx, e.Mapper, nil)
	c.Unfinished = e.Mapper.Tests() - c.Tests
	s.rename(c.Problems[before:])
}

// checked is what became of the files without their tests.
func (s Source) checked(e config.Edited) Checked {
	c := Checked{Report: Report{OK: e.Mapper != nil, Problems: []Problem{}}}
	for _, p := range e.Problems {
		c.Problems = append(c.Problems, Problem{Problem: p})
	}
	s.rename(c.Problems)
	for _, p := range e.Others {
		p.File, p.Message = s.shown(p.File), config.Kind(p)
		c.Others = append(c.Others, p.Error())
	}
	return c
}

func (s Source) edited(files []File) (config.Edited, error) {
	texts, err := s.texts(files)
	if err != nil {
		return config.Edited{}, err
	}
	return config.CheckEdited(s.Path, s.Environ, texts), nil
}

// texts returns the texts of the files by their paths.
func (s Source) texts(files []File) (map[string]string, error) {
	known := map[string]string{} // name -> path
	for _, f := range config.RuleFiles(s.Path, s.Environ) {
		known[s.shown(f.Name)] = f.Name
	}
	texts := map[string]string{}
	for _, f := range files {
		path, ok := known[f.Name]
		if !ok {
			return nil, fmt.Errorf("the configuration has no file %q any more: open the page again", f.Name)
		}
		texts[path] = f.Text
	}
	return texts, nil
}

// shown returns the name of a file as it is shown.
func (s Source) shown(path string) string {
	relative, err := filepath.Rel(filepath.Dir(s.Path), path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}

// rename gives the problems the names that files are shown by.
func (s Source) rename(problems []Problem) {
	for i := range problems {
		problems[i].File = s.shown(problems[i].File)
	}
}
