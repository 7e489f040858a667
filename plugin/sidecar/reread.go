package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// rereadCommand has a running bridge read retained messages again, and returns when the bridge has
// committed them.
func (p *program) rereadCommand() *cobra.Command {
	var path, filter string
	c := p.command(description{
		name: "reread", group: groupBridge,
		about: "have a running bridge read retained messages again",
		more: "FILTER is an MQTT topic filter, such as '#' or 'dev/+/state'. The bridge sends what it does not have yet, and the\n" +
			"command ends when that is in the journal. It must run on the bridge's own machine.",
		example: "  mqtt-stomp-bridge reread '#'",
	}, func(ctx context.Context) error { return p.reread(ctx, path, filter) })
	c.Use = "reread [flags] FILTER"
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return misused("reread", "one topic filter is needed, such as '#'")
		}
		filter = args[0]
		return nil
	}
	configFlag(c, &path)
	return c
}

func (p *program) reread(ctx context.Context, path, filter string) error {
	err := errors.New("ops.listen is empty, so a running bridge cannot be asked: set it, such as to 127.0.0.1:9464")
	for _, address := range p.opsListen(path) {
		err = post(ctx, "http://"+dialAddress(address)+"/reread?"+url.Values{"filter": {filter}}.Encode())
		if !errors.Is(err, errNobody) {
			break
		}
	}
	if err == nil {
		fmt.Fprintln(p.stdout, "retained messages read")
	}
	return err
}

// post returns nil when the URL answers a POST with success, and otherwise why not.
func post(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // as ask does
	response, err := direct.Do(r)
	if err != nil {
		return fmt.Errorf("%w, is the bridge running? %w", errNobody, err)
	}
	defer response.Body.Close()
	if response.StatusCode < 300 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
}
