package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// healthcheckCommand asks the ops endpoint of a running bridge.
func (p *program) healthcheckCommand() *cobra.Command {
	var path string
	var live bool
	var f format
	c := p.command(description{
		name: "healthcheck", group: groupBridge,
		about: "ask a running bridge whether it is ready",
		codes: "0 yes, 1 no or no answer, 2 the command line is wrong",
	}, func(ctx context.Context) error { return p.healthcheck(ctx, path, live, f) })
	configFlag(c, &path)
	c.Flags().BoolVar(&live, "live", false, "ask only whether the process answers, not whether it is ready")
	formatFlag(c, &f, "for programs")
	return c
}

// A health is what healthcheck --format json prints.
type health struct {
	OK       bool     `json:"ok"`
	URL      string   `json:"url,omitempty"`      // that was asked
	Error    string   `json:"error,omitempty"`    // why there is no yes
	Reasons  []string `json:"reasons,omitempty"`  // why the bridge is not ready, by its own word
	Warnings []string `json:"warnings,omitempty"` // of what does no harm yet
}

func (p *program) healthcheck(ctx context.Context, path string, live bool, f format) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var h health
	err := p.askBridge(ctx, path, live, &h)
	switch {
	case f == formatJSON:
		if h.OK = err == nil; err != nil {
			h.Error = err.Error()
			defer p.printJSON(&h)
			return exit(exitFailure)
		}
		p.printJSON(&h)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(p.stdout, p.style(p.stdout).paint(green, "ok"))
	return nil
}

// askBridge asks the bridge where it is or was configured to be; the first that answers counts.
func (p *program) askBridge(ctx context.Context, path string, live bool, h *health) error {
	page := "/readyz"
	if live {
		page = "/healthz"
	}
	err := errors.New("ops.listen is empty, so the bridge has no health to ask for: set it, such as to 127.0.0.1:9464")
	for _, address := range p.opsListen(path) {
		h.URL = "http://" + dialAddress(address) + page
		if err = h.ask(ctx); !errors.Is(err, errNobody) {
			return err
		}
	}
	if errors.Is(err, errNobody) {
		p.load(path) // a mistake there may have hidden where the bridge is
	}
	return err
}

// opsListen returns where a running bridge may be asked. A bridge with a mistake in its file runs
// on, and is healthy; and what it listens on is as it was at its start.
func (p *program) opsListen(path string) []string {
	c := config.Settings(path, p.environ)
	var addresses []string
	if p.variable("BRIDGE_OPS_LISTEN") == "" { // which tells bridges apart that share a file
		addresses = opsAddresses(c.Journal.Dir, path)
	}
	if c.Ops.Listen != "" && !slices.Contains(addresses, c.Ops.Listen) {
		addresses = append(addresses, c.Ops.Listen)
	}
	return addresses
}

// errNobody is what ask returns when there is no answer at all.
var errNobody = errors.New("nobody answers at ops.listen")

// ask returns nil when the URL answers 200, and otherwise why not. It fills in what the bridge
// says.
func (h *health) ask(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return err
	}
	// A proxy of the environment is for the way out, and knows nothing of this container's
	// addresses.
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := direct.Do(r)
	if err != nil {
		return fmt.Errorf("%w, is the bridge running? %w", errNobody, err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var readiness ops.Readiness
	if json.Unmarshal(body, &readiness) == nil {
		h.Reasons, h.Warnings = readiness.Reasons, readiness.Warnings
	}
	switch {
	case response.StatusCode == http.StatusOK:
		return nil
	case len(h.Reasons) > 0:
		return fmt.Errorf("not ready: %s", strings.Join(h.Reasons, "; "))
	}
	return fmt.Errorf("%s: %s", h.URL, response.Status)
}
