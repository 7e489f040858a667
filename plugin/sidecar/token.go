package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/service"
)

// token prints a token that the configured secret signs, what the configuration makes of a token, or
// a line for auth.tokens_file.
func (p *program) token(ctx context.Context, args []string) int {
	f := p.flags("token", "-u USER [-t 1h] [--claim CLAIM=VALUE ...] [-c config.yaml] | --explain FILE | --hash NAME")
	path := configFlag(f)
	user := f.String("u", "", "the `user` that the token is for")
	ttl := f.Duration("t", time.Hour, "how long the token is valid; 0: forever, which needs auth.jwt.allow_no_expiry")
	name := f.String("hash", "", "print the line in auth.tokens_file for this `name` and the token on standard input; without input, make a token and print it to standard error")
	file := f.String("explain", "", "print who the token in this `file` is for the bridge, and its groups; -: the token on standard input")
	claims := addClaimFlags(f)
	if code, done := parse(f, args); done {
		return code
	}
	given := 0
	for _, text := range []string{*user, *name, *file} {
		if text != "" {
			given++
		}
	}
	switch {
	case given > 1:
		return p.misused(f, "token takes one of -u, --explain and --hash")
	case *user == "" && claims.given():
		return p.misused(f, "--claim and --claims need -u USER")
	case *file != "":
		return p.explainToken(ctx, *path, *file)
	case *name != "":
		return p.hashToken(*name)
	case *user == "":
		return p.misused(f, "token needs -u USER, --explain FILE or --hash NAME")
	}
	grant, err := claims.grant(*user, *ttl)
	if err != nil {
		return p.fail(err)
	}
	c := p.load(*path)
	if c == nil {
		return exitFailure
	}
	token, err := service.SignToken(c, grant)
	if err != nil {
		return p.fail(err)
	}
	fmt.Fprintln(p.stdout, token)
	return exitOK
}

// hashToken prints the line for a static token. Only the line goes to standard output, so that it
// can be appended to the file.
func (p *program) hashToken(name string) int {
	token, err := p.readToken()
	if err != nil {
		return p.fail(err)
	}
	made := token == ""
	if made {
		token = rand.Text() + rand.Text()
	}
	line, err := auth.HashToken(name, token)
	if err != nil {
		return p.fail(err)
	}
	if made {
		fmt.Fprintf(p.stderr, "the token, which nothing shows again: %s\n", token)
	}
	fmt.Fprintln(p.stdout, line)
	return exitOK
}

// readToken returns the token on standard input, without the line end; "" for none, as when that is
// a terminal.
func (p *program) readToken() (string, error) {
	if isTerminal(p.stdin) {
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(p.stdin, 64<<10))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
