package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/workbench"
)

// checkCommand loads the configuration, prints every mistake of it, and runs the tests that stand
// beside the rules.
func (p *program) checkCommand() *cobra.Command {
	var path string
	var f format
	var update bool
	c := p.command(description{
		name: "check", group: groupRules,
		about: "check the configuration, report every mistake, run the rules' tests",
		more: `With --update, tests that expect other payloads than come expect what comes after; all else of the files
stays as it is. Where an event is rejected or filtered by surprise, or its audience differs, the test is left.`,
		codes: "0 good, also with warnings; 1 a mistake, or a test that fails; 2 the command line is wrong",
	}, func(ctx context.Context) error { return p.check(ctx, path, f, update) })
	configFlag(c, &path)
	c.Flags().BoolVar(&update, "update", false, "write the payloads that come into the tests that fail")
	formatFlag(c, &f, "for editors and CI")
	return c
}

func (p *program) check(ctx context.Context, path string, f format, update bool) error {
	checked := config.Check(path, p.environ)
	report := workbench.Report{Problems: []workbench.Problem{}}
	if update && checked.Mapper != nil {
		var err error
		if report.Updated, err = updateTests(checked.Mapper); err != nil {
			return err
		}
		checked = config.Check(path, p.environ)
	}
	report.OK = checked.Config != nil
	for _, problem := range checked.Problems {
		report.Problems = append(report.Problems, workbench.Problem{Problem: problem})
	}
	if checked.Config != nil {
		report.Config = checked.Config.Hash
	}
	if m := checked.Mapper; m != nil {
		p.runTests(ctx, m, &report)
		if all := m.Tests(); report.Tests < all {
			return fmt.Errorf("interrupted after %d of %d tests", report.Tests, all)
		}
	}
	if f == formatJSON {
		p.printJSON(report)
	} else {
		p.printCheck(path, report)
	}
	if !report.OK {
		return exit(exitFailure)
	}
	return nil
}

// printJSON prints a document for programs.
func (p *program) printJSON(document any) {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(document)
}

// runTests runs the tests beside the rules until ctx is done, and shows how far that is.
func (p *program) runTests(ctx context.Context, m *mapping.Mapper, report *workbench.Report) {
	shown := newProgress(p.stderr)
	report.RunTests(ctx, m, func() {
		shown.step(report.Tests, func() string {
			return fmt.Sprintf("%d of %d tests, %d failed", report.Tests, m.Tests(), report.Failed)
		})
	})
}

func (p *program) printCheck(path string, report workbench.Report) {
	s := p.style(p.stderr)
	if report.Updated > 0 {
		fmt.Fprintf(p.stdout, "%d %s updated\n", report.Updated, plural(report.Updated, "test", "tests"))
	}
	mistakes := 0
	for _, problem := range report.Problems {
		fmt.Fprintf(p.stderr, "%s%s\n", s.problem(problem.Problem), s.diff(problem.Diff))
		if !problem.Warning {
			mistakes++
		}
	}
	switch mistakes -= report.Failed; {
	case mistakes > 0:
		fmt.Fprintln(p.stderr, s.paint(red, fmt.Sprintf("%s: %d %s%s", path, mistakes, plural(mistakes, "mistake", "mistakes"), tested(report))))
	case report.Failed > 0:
		fmt.Fprintln(p.stderr, s.paint(red, fmt.Sprintf("%s: %d of %d tests failed", path, report.Failed, report.Tests)))
	default:
		fmt.Fprintf(p.stdout, "%s: %s: %d %s, %d %s passed, configuration %s\n", path, p.style(p.stdout).paint(green, "good"), report.Rules,
			plural(report.Rules, "rule", "rules"), report.Tests, plural(report.Tests, "test", "tests"), report.Config)
	}
}

// tested says what became of the tests, behind the number of mistakes; "" when there was none to
// run.
func tested(r workbench.Report) string {
	switch {
	case r.Failed > 0:
		return fmt.Sprintf("; %d of %d tests failed", r.Failed, r.Tests)
	case r.Tests > 0:
		return fmt.Sprintf("; the rules are good, %d %s passed", r.Tests, plural(r.Tests, "test", "tests"))
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
