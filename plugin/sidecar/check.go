package main

import (
	"context"
	"encoding/json"
	"fmt"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

// A checkReport is what check --format json prints.
type checkReport struct {
	OK       bool           `json:"ok"`
	Config   string         `json:"config,omitempty"` // its hash; absent when there is a mistake
	Problems []checkProblem `json:"problems"`         // mistakes, warnings, and tests that failed
	Rules    int            `json:"rules"`
	Tests    int            `json:"tests"`
	Failed   int            `json:"failed"` // tests
}

// A checkProblem is a problem; of a test that failed with what differs, line by line.
type checkProblem struct {
	source.Problem
	Diff string `json:"diff,omitempty"`
}

// check loads the configuration, prints every mistake of it, and runs the tests that stand beside
// the rules.
func (p *program) check(ctx context.Context, args []string) int {
	f := p.flags("check", "[-c config.yaml] [--format text|json]")
	path := configFlag(f)
	format := f.String("format", "text", "output format: `text`, or json for editors and CI")
	if code, done := parse(f, args); done {
		return code
	}
	if *format != "text" && *format != "json" {
		return p.misused(f, fmt.Sprintf("--format is text or json, not %q", *format))
	}
	c, problems := config.Load(*path, p.environ)
	report := checkReport{OK: c != nil, Problems: []checkProblem{}}
	for _, problem := range problems {
		report.Problems = append(report.Problems, checkProblem{Problem: problem})
	}
	var results []mapping.TestResult
	if c != nil {
		results = p.runTests(ctx, c.Mapper)
		if all := c.Mapper.Tests(); len(results) < all {
			return p.fail(fmt.Errorf("interrupted after %d of %d tests", len(results), all))
		}
		report.Config, report.Rules, report.Tests = c.Hash, len(c.Mapper.Rules()), len(results)
	}
	for _, t := range results {
		if t.Problem != nil {
			report.OK = false
			report.Failed++
			report.Problems = append(report.Problems, checkProblem{*t.Problem, t.Diff})
		}
	}
	if *format == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		e.Encode(report)
	} else {
		p.printCheck(*path, report, problems, results)
	}
	if !report.OK {
		return exitFailure
	}
	return exitOK
}

// runTests runs the tests beside the rules until ctx is done.
func (p *program) runTests(ctx context.Context, m *mapping.Mapper) []mapping.TestResult {
	var results []mapping.TestResult
	failed := 0
	shown := newProgress(p.stderr)
	for r := range m.TestSeq() {
		results = append(results, r)
		if r.Problem != nil {
			failed++
		}
		shown.step(len(results), func() string { return fmt.Sprintf("%d of %d tests, %d failed", len(results), m.Tests(), failed) })
		if ctx.Err() != nil {
			break
		}
	}
	return results
}

func (p *program) printCheck(path string, report checkReport, problems []source.Problem, results []mapping.TestResult) {
	printProblems(p.stderr, problems)
	for _, t := range results {
		if t.Problem != nil {
			fmt.Fprintf(p.stderr, "%s%s\n", t.Problem.String(), t.Diff)
		}
	}
	mistakes := 0
	for _, problem := range problems {
		if !problem.Warning {
			mistakes++
		}
	}
	switch {
	case mistakes > 0:
		fmt.Fprintf(p.stderr, "%s: %d %s\n", path, mistakes, plural(mistakes, "mistake", "mistakes"))
	case report.Failed > 0:
		fmt.Fprintf(p.stderr, "%s: %d of %d tests failed\n", path, report.Failed, report.Tests)
	default:
		fmt.Fprintf(p.stdout, "%s: good: %d %s, %d %s passed, configuration %s\n", path, report.Rules,
			plural(report.Rules, "rule", "rules"), report.Tests, plural(report.Tests, "test", "tests"), report.Config)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
