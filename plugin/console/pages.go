package console

import (
	"bytes"
	"embed"
	"hash/fnv"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
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
	Run      string // of the process
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
	v := view{Page: name, Title: title, Pages: c.links(), Bench: c.options.Bench != nil, State: s, Payloads: c.payloads(), Graph: graphs, Assets: assets, Run: c.run, Content: content}
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
