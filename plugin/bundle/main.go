// Bundle makes what the web pages take from npm, as "go generate ./..." runs it: it reads
// package-lock.json files, fetches the packages, and bundles them with our sources. It needs Go and
// the network, and neither npm nor Node.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
)

//go:generate go run . -root ../..

// A bundle is what is made from one folder with a package-lock.json.
type bundle struct {
	source  string            // the folder, below the module's root, as all paths are
	entries map[string]string // from an output's name without its extension to the file that it begins with, in source
	page    string            // a page in source that names entries and files of public; "" for none
	public  string            // a folder in source whose files are copied; "" for none
	out     string            // the folder of the outputs; all else in it but .gitignore is removed
}

// bundles are those of this module. What embeds an output names its folder.
var bundles = []bundle{
	{
		source:  "plugin/console/editor",
		entries: map[string]string{"editor": "editor.js", "graph": "graph.js"},
		out:     "plugin/console/page/bundle",
	},
	{
		source:  "examples/inbox",
		entries: map[string]string{"page": "src/page.ts", "style": "src/style.css"},
		page:    "index.html",
		public:  "public",
		out:     "plugin/demo/page/inbox",
	},
}

// cacheFolder has the tarballs of packages, below the user's cache.
const cacheFolder = "mqtt-stomp-bridge/npm"

func main() {
	root := flag.String("root", ".", "the `folder` of the module")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	m := maker{root: root, store: store{
		folder: filepath.Join(cache, cacheFolder), registry: registryOf(os.Environ()), progress: os.Stdout,
	}}
	for _, b := range bundles {
		files, err := m.make(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", b.source, err)
		}
		if err := replace(filepath.Join(root, b.out), files); err != nil {
			return err
		}
		for _, name := range slices.Sorted(files.names()) {
			fmt.Printf("%s/%s\t%d bytes\n", b.out, name, len(files[name]))
		}
	}
	return nil
}
