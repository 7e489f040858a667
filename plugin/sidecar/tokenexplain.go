package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/service"
)

// explainToken prints what the configuration makes of the token in a file, or on standard input
// where that is named "-".
func (p *program) explainToken(ctx context.Context, path, file string) error {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(p.stdin, 64<<10))
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return fmt.Errorf("--explain: %w", err)
	}
	c, err := p.load(path)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(data))
	logger := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	asked, err := service.ExplainToken(ctx, c, token, logger)
	if err != nil {
		return err
	}
	header, claims := auth.Unverified(token)
	accepted := false
	printToken(p.stdout, header, claims)
	for _, e := range asked {
		printExplanation(p.stdout, e)
		accepted = accepted || e.Err == nil
	}
	if len(asked) == 0 {
		fmt.Fprintf(p.stdout, "accepted  no: no provider in auth.jwt names this issuer\n")
	}
	if !accepted {
		return exit(exitFailure)
	}
	return nil
}

// printToken prints what a token says of itself.
func printToken(w io.Writer, header, claims map[string]any) {
	if header == nil {
		return
	}
	line := func(name string, value any) {
		if value != nil {
			fmt.Fprintf(w, "%-9s %s\n", name, printable(fmt.Sprint(value)))
		}
	}
	line("alg", header["alg"])
	line("kid", header["kid"])
	line("iss", claims["iss"])
	line("aud", claims["aud"])
	line("claims", strings.Join(claimNames("", claims), ", "))
}

// printExplanation prints what a provider makes of a token.
func printExplanation(w io.Writer, e auth.Explanation) {
	verdict := "yes"
	if e.Err != nil {
		verdict = "no: " + e.Err.Error()
	}
	fmt.Fprintf(w, "\nprovider  %s\naccepted  %s\n", e.Provider, verdict)
	if e.User != "" {
		fmt.Fprintf(w, "user      %s\n", printable(e.User))
	}
	if !e.Expires.IsZero() {
		fmt.Fprintf(w, "expires   %s\n", e.Expires.UTC().Format(time.RFC3339))
	}
	if len(e.Groups.Names) > 0 {
		fmt.Fprintf(w, "groups    %s\n", printable(strings.Join(e.Groups.Names, ", ")))
	}
	if e.Groups.Lacking != "" {
		fmt.Fprintf(w, "lacking   %s\n", e.Groups.Lacking)
	}
}

// printable quotes what a terminal would not print but obey: nobody has checked the token.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// claimNames returns the paths of all claims, without their values.
func claimNames(prefix string, claims map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		path := name
		if strings.ContainsAny(name, `.",`) {
			path = `"` + name + `"`
		}
		inner, ok := claims[name].(map[string]any)
		if ok && len(inner) > 0 {
			names = append(names, claimNames(prefix+path+".", inner)...)
		} else {
			names = append(names, prefix+path)
		}
	}
	return names
}
