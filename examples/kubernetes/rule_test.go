package kubernetes_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write monitoring/prometheusrule.yaml")

// The alerts for the Prometheus Operator are those for every Prometheus, in its form.
func TestPrometheusRule(t *testing.T) {
	alerts, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	text := `# Made of ../../monitoring/alerts.yml by go test -run TestPrometheusRule -update; change that file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mqtt-stomp-bridge
  labels: {app.kubernetes.io/name: mqtt-stomp-bridge} # and what your Prometheus selects by, often release
spec:
`
	_, groups, ok := strings.Cut(string(alerts), "\n\n") // behind the comment
	if !ok {
		t.Fatalf("%s has no comment", alertsFile)
	}
	for line := range strings.Lines(groups) {
		if strings.TrimSpace(line) != "" {
			line = "  " + line
		}
		text += line
	}
	const file = "monitoring/prometheusrule.yaml"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("%s is stale (%v): run go test -run TestPrometheusRule -update", file, err)
	}
}
