package mapping_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mqtt-stomp-bridge/mapping"
	"mqtt-stomp-bridge/mapping/source"
)

// The tests of this package hold whether or not expressions are evaluated by the engine, and payloads
// decoded first: all but those of cost.
func TestByEngine(t *testing.T) {
	if os.Getenv(byEngine) != "" {
		t.Skip("these are they")
	}
	c := exec.Command(os.Args[0], "-test.short", "-test.skip", "Hostile|Work|Fuzz|Memory|Load|Manyrules|OtherMachines|Allocat")
	c.Env = append(os.Environ(), byEngine+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The events of the examples' tests come to the same in both ways.
func TestBothWays(t *testing.T) {
	names, err := filepath.Glob("../examples/*/rules.yaml")
	if more := os.Getenv("MAPPING_TEST_RULES"); more != "" {
		names2, err2 := filepath.Glob(more)
		if err2 != nil {
			t.Fatal(err2)
		}
		names = append(names, names2...)
	}
	if err != nil || len(names) < 10 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		m := mapperOf(t, name)
		direct := mapping.ResultsOfTests(m)
		mapping.UseEngine(m)
		for i, want := range mapping.ResultsOfTests(m) {
			if diff := cmp.Diff(want, direct[i]); diff != "" {
				t.Errorf("%s, event %d (-by the engine +on items):\n%s", name, i, diff)
			}
		}
		t.Logf("%s: %d events", name, len(direct))
	}
}

// mapperOf compiles a file of rules, beside which there may be others.
func mapperOf(t *testing.T, name string) *mapping.Mapper {
	t.Helper()
	var report source.Report
	s := mapping.ParseSource(name, []byte(readFile(t, name)), &report)
	m := mapping.Compile([]mapping.Source{s}, mapping.Options{ReadFile: func(name string, _ int) ([]byte, error) { return os.ReadFile(name) }}, &report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// twoWays returns mappers of the rules, of which the second uses the engine.
func twoWays(t testing.TB, rules string) (direct, engine *mapping.Mapper) {
	t.Helper()
	direct, engine = mapper(t, rules), mapper(t, rules)
	mapping.UseEngine(engine)
	return direct, engine
}

// sameResults checks that the event comes to the same in both ways.
func sameResults(t *testing.T, direct, engine *mapping.Mapper, e mapping.Event) {
	t.Helper()
	if got, want := direct.Map(e), engine.Map(e); !reflect.DeepEqual(got, want) {
		t.Errorf("%s %q (-by the engine +on items):\n%s", e.Topic, e.Payload, cmp.Diff(want, got))
	}
	if got, want := direct.Explain(e), engine.Explain(e); !reflect.DeepEqual(got, want) {
		t.Errorf("%s %q, explained (-by the engine +on items):\n%s", e.Topic, e.Payload, cmp.Diff(want, got))
	}
}
