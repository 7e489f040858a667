// Package monitoring_test checks the files that this directory ships, with Prometheus' own tools.
package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mqtt-stomp-bridge/bridge/mqtt/mosquittotest"
)

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(mosquittotest.Look(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestScrapeConfig(t *testing.T) { promtool(t, "check", "config", "prometheus.yml") }

func TestAlerts(t *testing.T) { promtool(t, "test", "rules", "alerts_test.yml") }

// Each alert is seen firing in alerts_test.yml, and README.md says what to do about it.
func TestEveryAlertIsTestedAndDocumented(t *testing.T) {
	tests, readme := read(t, "alerts_test.yml"), read(t, "README.md")
	alerts := regexp.MustCompile(`(?s)- alert: (\w+)\n.*?severity: (\w+)`).FindAllStringSubmatch(read(t, "alerts.yml"), -1)
	if len(alerts) == 0 {
		t.Error("there are no alerts")
	}
	for _, a := range alerts {
		name, severity := a[1], a[2]
		if !strings.Contains(tests, fmt.Sprintf(`ALERTS{alertname="%s", alertstate="firing"`, name)) {
			t.Errorf("no test has %s firing", name)
		}
		if row := fmt.Sprintf("| `%s` | %s |", name, severity); !strings.Contains(readme, row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
}

// What the files ask for is what the bridge has.
func TestMetricsExist(t *testing.T) {
	documented := read(t, "../../plugin/ops/METRICS.md")
	for _, name := range []string{"alerts.yml", "alerts_test.yml", "dashboard.json"} {
		metrics := regexp.MustCompile(`mqtt_stomp_bridge_\w+`).FindAllString(read(t, name), -1)
		if len(metrics) == 0 {
			t.Errorf("%s asks for no metric", name)
		}
		for _, m := range metrics {
			m = strings.TrimSuffix(m, "_bucket") // of a histogram
			if !strings.Contains(documented, "| `"+m+"` |") {
				t.Errorf("%s asks for %s, which plugin/ops/METRICS.md does not have", name, m)
			}
		}
	}
}

// A dashboard is what the test looks at in Grafana's model.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID         int
		Type       string
		Title      string
		Datasource datasource
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct {
			Expr       string
			Datasource datasource
		}
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Expr string } }
}

type datasource struct{ Type, UID string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// variables are what Grafana replaces in an expression before Prometheus sees it.
var variables = strings.NewReplacer("$__rate_interval", "1m", "$job", ".+", "$instance", ".+")

// Prometheus takes every expression of the dashboard.
func TestDashboardExpressions(t *testing.T) {
	d := readDashboard(t)
	var exprs []string
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		exprs = append(exprs, a.Expr)
	}
	rules := strings.Builder{}
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range exprs {
		quoted, err := json.Marshal(variables.Replace(e)) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&rules, "  - {record: \"expression:%d\", expr: %s}\n", i, quoted)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// The dashboard can be imported into any Grafana: it names no data source, and its panels lie side
// by side.
func TestDashboardImports(t *testing.T) {
	d := readDashboard(t)
	if list := d.Templating.List; len(list) == 0 || list[0].Name != "datasource" || list[0].Type != "datasource" {
		t.Errorf("the first variable is not the data source: %+v", list)
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{} // x, y -> title
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if want := (datasource{"prometheus", "${datasource}"}); p.Datasource != want || target.Datasource != want {
				t.Errorf("panel %q is tied to data source %v, %v", p.Title, p.Datasource, target.Datasource)
			}
		}
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("panel %q lies at %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panel %q lies over %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
