package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/service"
)

// token prints a token that the configured secret signs, or a line for auth.tokens_file.
func (p *program) token(_ context.Context, args []string) int {
	f := p.flags("token", "-u USER [-t 1h] [-c config.yaml] | --hash NAME")
	path := configFlag(f)
	user := f.String("u", "", "the `user` that the token is for")
	ttl := f.Duration("t", time.Hour, "how long the token is valid; 0: forever, which needs auth.jwt.allow_no_expiry")
	name := f.String("hash", "", "print the line in auth.tokens_file for this `name` and the token on standard input; without input, make a token and print it to standard error")
	if code, done := parse(f, args); done {
		return code
	}
	switch {
	case *name != "" && *user != "":
		return p.misused(f, "token takes -u or --hash, not both")
	case *name != "":
		return p.hashToken(*name)
	case *user == "":
		return p.misused(f, "token needs -u USER, or --hash NAME")
	}
	c := p.load(*path)
	if c == nil {
		return exitFailure
	}
	if *ttl == 0 && !c.Auth.JWT.AllowNoExpiry {
		return p.fail(errors.New("-t 0 makes a token that lasts for ever, which the bridge would refuse: auth.jwt.allow_no_expiry is false"))
	}
	token, err := service.SignToken(c, *user, *ttl)
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
