package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

//go:embed all:page
var embedded embed.FS

// pages are the templates of the pages by name.
var pages = parsePages("overview", "events", "sessions", "memory", "workbench")

// A view is what a page is made of.
type view struct {
	Page     string // its name
	Title    string
	Pages    []link // all of them
	State    State
	Payloads bool   // may be shown
	User     string // who has logged in; "": nobody has to
	Bench    bool   // there is a workbench
	Graph    bool   // the graphs are bundled
	Assets   string // the version of the files
	Content  any
}

// A link leads to a page.
type link struct{ Name, Path, Title string }

// links returns the pages that there are.
func (c *console) links() []link {
	links := []link{{"overview", "./", "Overview"}, {"events", "events", "Events"}, {"sessions", "sessions", "Sessions"}, {"memory", "memory", "Memory"}}
	if c.options.Bench != nil {
		links = append(links, link{"workbench", "workbench", "Workbench"})
	}
	return links
}

// show writes the page of that name.
func (c *console) show(w http.ResponseWriter, r *http.Request, name, title string, s State, content any) {
	var b bytes.Buffer // so that a mistake in a template shows no half page
	v := view{Page: name, Title: title, Pages: c.links(), Bench: c.options.Bench != nil, State: s, Payloads: c.payloads(), Graph: graphs, Assets: assets, Content: content}
	if c.options.User != nil {
		v.User = c.options.User(r)
	}
	if err := pages[name].ExecuteTemplate(&b, "layout.html", v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes()) // fails only when the browser has gone
}

func parsePages(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("").Funcs(functions).ParseFS(embedded, "page/layout.html"))
	parsed := map[string]*template.Template{}
	for _, name := range names {
		parsed[name] = template.Must(template.Must(layout.Clone()).ParseFS(embedded, "page/"+name+".html"))
	}
	return parsed
}

// functions are for the templates.
var functions = template.FuncMap{
	"count":    count,
	"many":     many,
	"bytes":    size,
	"rate":     rate,
	"duration": duration,
	"lasting":  lasting,
	"query":    func(name, value string) template.URL { return template.URL(url.Values{name: {value}}.Encode()) },
	"clock":    func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"at":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"pretty":   pretty,
	"millis":   func(t time.Time) string { return t.UTC().Format(".000") },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
}

// count writes a figure with its thousands apart. The pages' scripts write it in the same way.
func count(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// many writes a count of things that are more than one with an s.
func many(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}

// size writes a number of bytes.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	x, i := float64(n), 0
	for x >= 1024 && i < len(units)-1 {
		x /= 1024
		i++
	}
	if i == 0 || x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64) + " " + units[i]
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0") + " " + units[i]
}

// pretty writes JSON on lines of its own; what is none as it is.
func pretty(text any) string {
	var in []byte
	switch text := text.(type) {
	case json.RawMessage:
		in = text
	case string:
		in = []byte(text)
	}
	var out bytes.Buffer
	if json.Indent(&out, in, "", "  ") != nil {
		return string(in)
	}
	return out.String()
}

// rate writes a figure a second: with one digit behind the point below 10.
func rate(x float64) string {
	if x < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
	}
	return count(int64(math.Round(x)))
}

// duration writes seconds; 0 is no duration at all.
func duration(seconds float64) string {
	if seconds == 0 {
		return "–"
	}
	x, unit := seconds, " s"
	if seconds < 1 {
		x, unit = seconds*1000, " ms"
	}
	return rate(x) + unit
}

// lasting writes a duration in the units that a person takes.
func lasting(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return many(int(d/day), "day")
	case d >= 2*day:
		return many(int(d/day), "day") + " " + lasting(d%day)
	}
	text := d.Round(time.Second).String()
	if minutes, ok := strings.CutSuffix(text, "m0s"); ok {
		text = minutes + "m"
	}
	if hours, ok := strings.CutSuffix(text, "h0m"); ok {
		text = hours + "h"
	}
	return text
}

// graphs tells that the graphs were bundled when the program was built.
var graphs = isBundled("graph.js")

func isBundled(name string) bool {
	_, err := fs.Stat(embedded, "page/bundle/"+name)
	return err == nil
}

// assets names the version of the files, so that browsers may keep them.
var assets = hashFiles()

func hashFiles() string {
	h := fnv.New64a()
	fs.WalkDir(embedded, "page", func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			text, err := embedded.ReadFile(path)
			if err != nil {
				panic("console: " + err.Error()) // it is embedded
			}
			h.Write(text)
		}
		return nil
	})
	return strconv.FormatUint(h.Sum64(), 36)
}

// files serves the style, the scripts and what is bundled. The name of one that is asked for with the
// version in its query stands for these bytes for ever.
func files() http.Handler {
	dir, err := fs.Sub(embedded, "page")
	if err != nil {
		panic("console: " + err.Error()) // the directory is embedded
	}
	static := http.FileServerFS(dir)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path
		if strings.HasSuffix(name, ".html") || name == "" || strings.HasSuffix(name, "/") || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
			http.NotFound(w, r)
			return
		}
		if r.URL.Query().Get("v") == assets {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		static.ServeHTTP(w, r)
	})
}
