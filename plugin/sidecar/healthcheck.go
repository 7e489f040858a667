package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"mqtt-stomp-bridge/plugin/config"
	"mqtt-stomp-bridge/plugin/ops"
)

// healthcheck asks the ops endpoint of a running bridge; exit code 0 means yes.
func (p *program) healthcheck(ctx context.Context, args []string) int {
	f := p.flags("healthcheck", "[-c config.yaml] [--live]")
	path := configFlag(f)
	live := f.Bool("live", false, "ask only whether the process answers, not whether it is ready")
	if code, done := parse(f, args); done {
		return code
	}
	c := config.Settings(*path, p.environ) // a bridge with a mistake in its file runs on, and is healthy
	if c.Ops.Listen == "" {
		return p.fail(errors.New("ops.listen is empty, so the bridge has no health to ask for: set it, such as to 127.0.0.1:9464"))
	}
	url := "http://" + dialAddress(c.Ops.Listen) + "/readyz"
	if *live {
		url = "http://" + dialAddress(c.Ops.Listen) + "/healthz"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := ask(ctx, url)
	if errors.Is(err, errNobody) {
		p.load(*path) // a mistake there may have hidden where the bridge is
	}
	if err != nil {
		return p.fail(err)
	}
	fmt.Fprintln(p.stdout, "ok")
	return exitOK
}

// errNobody is that of ask when there is no answer at all.
var errNobody = errors.New("nobody answers at ops.listen")

// ask returns nil when the URL answers 200, and otherwise why not.
func ask(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
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
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var readiness ops.Readiness
	if json.Unmarshal(body, &readiness) == nil && len(readiness.Reasons) > 0 {
		return fmt.Errorf("not ready: %s", strings.Join(readiness.Reasons, "; "))
	}
	return fmt.Errorf("%s: %s", url, response.Status)
}
