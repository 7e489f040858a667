package mapping_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with the file, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(readFile(t, name), got); diff != "" {
		t.Errorf("%s differs; if that is meant, run go test ./mapping -update (-want +got):\n%s", name, diff)
	}
}

// TestBad compiles the files under testdata/bad and compares every message, with its place, with
// the text beside them.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, report := compile(filepath.Base(name), readFile(t, name))
			var got strings.Builder
			for _, p := range report.Problems() {
				got.WriteString(p.String() + "\n")
			}
			if warnings := strings.Contains("overlap.yaml let-unused.yaml memory-unused.yaml", filepath.Base(name)); (report.Err() == nil) != warnings {
				t.Errorf("Err() = %v, only warnings: %t", report.Err(), warnings)
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".txt", got.String())
		})
	}
}
