package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/plugin/ops"
)

// A memoryOptions is the command line of memory.
type memoryOptions struct {
	path   string
	login  opsLogin
	args   []string // the name of a memory, a key of it
	after  string
	limit  int
	format format
}

// memoryCommand shows what the rules of a running bridge remember.
func (p *program) memoryCommand() *cobra.Command {
	var o memoryOptions
	c := p.command(description{
		name: "memory", group: groupBridge,
		about: "show what the rules of a running bridge remember",
		more: "Without NAME, all memories with their sizes. With NAME, the keys of that memory, a page at a time; with KEY as well,\n" +
			"the value that is remembered under it. Keys and values need ops.show_payloads: true in the configuration.",
		example: `  mqtt-stomp-bridge memory
  mqtt-stomp-bridge memory unread
  mqtt-stomp-bridge memory unread 42`,
	}, func(ctx context.Context) error { return p.memory(ctx, o) })
	c.Use = "memory [flags] [NAME [KEY]]"
	c.Args = func(_ *cobra.Command, args []string) error {
		if o.args = args; len(args) > 2 {
			return misused("memory", "takes the name of a memory and a key; quote a key that has spaces")
		}
		if len(args) != 1 && (o.after != "" || c.Flags().Changed("limit")) {
			return misused("memory", "--after and --limit are for the keys of one memory: memory NAME")
		}
		return nil
	}
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVar(&o.after, "after", "", "begin behind this `key`: the last of the page before")
	f.IntVarP(&o.limit, "limit", "n", 100, "how many `keys` to show, 1000 at the most")
	formatFlag(c, &o.format, "for programs, as the ops endpoint answers")
	loginFlags(c, &o.login)
	return c
}

func (p *program) memory(ctx context.Context, o memoryOptions) error {
	answer, err := p.askOps(ctx, o.path, o.login, http.MethodGet, o.page())
	switch {
	case err != nil:
		return err
	case o.format == formatJSON:
		_, err = p.stdout.Write(answer)
		return err
	case len(o.args) == 0:
		return printAnswer(answer, p.printMemories)
	case len(o.args) == 1:
		return printAnswer(answer, p.printKeys)
	}
	return printAnswer(answer, func(k ops.MemoryKey) { fmt.Fprintf(p.stdout, "%s\n", k.Value) })
}

// page is what to ask the ops endpoint for.
func (o memoryOptions) page() string {
	page := "/memory"
	if len(o.args) == 0 {
		return page
	}
	page += "/" + url.PathEscape(o.args[0])
	query := url.Values{}
	if len(o.args) == 2 {
		query.Set("key", o.args[1])
	} else {
		query.Set("limit", strconv.Itoa(o.limit))
		if o.after != "" {
			query.Set("after", o.after)
		}
	}
	return page + "?" + query.Encode()
}

// printAnswer prints what the bridge has answered.
func printAnswer[T any](answer []byte, print func(T)) error {
	var v T
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("the answer at ops.listen is not a bridge's of this version: %w", err)
	}
	print(v)
	return nil
}

func (p *program) printMemories(memories []ops.Memory) {
	if len(memories) == 0 {
		fmt.Fprintln(p.stdout, "there is no memory")
		return
	}
	fmt.Fprintf(p.stdout, "%10s %12s %10s %10s %12s  memory\n", "keys", "bytes", "evicted", "expired", "for")
	for _, m := range memories {
		name := m.Memory
		if m.MaxKeys == 0 {
			name += "  (no longer named; waits for the time of its keys)"
		}
		fmt.Fprintf(p.stdout, "%10d %12d %10d %10d %12s  %s\n", m.Keys, m.Bytes, m.Evicted, m.Expired, m.For, name)
	}
}

// printKeys prints a page. Keys are quoted: publishers choose them.
func (p *program) printKeys(page ops.MemoryPage) {
	if len(page.Keys) == 0 {
		fmt.Fprintf(p.stdout, "memory %s holds no key here\n", page.Memory)
		return
	}
	fmt.Fprintf(p.stdout, "%8s %12s %12s  key\n", "bytes", "written", "ends in")
	now := time.Now()
	for _, k := range page.Keys {
		ago, left := now.Sub(k.Written).Truncate(time.Second), k.Ends.Sub(now).Truncate(time.Second)
		fmt.Fprintf(p.stdout, "%8d %12s %12s  %q\n", k.Bytes, ago.String()+" ago", left, k.Key)
	}
	if page.Next != "" {
		fmt.Fprintln(p.stdout, "there are more: give the last key to --after")
	}
}
