package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/service"
)

// A tokenOptions is the command line of token.
type tokenOptions struct {
	path, user, name, explain string
	ttl                       time.Duration
	claims                    claimFlags
}

// tokenCommand prints a token that the configured secret signs, what the configuration makes of a
// token, or a line for auth.tokens_file.
func (p *program) tokenCommand() *cobra.Command {
	var o tokenOptions
	c := p.command(description{
		name: "token", group: groupClients,
		about: "make a token with the configured secret, or explain one",
		codes: "0 done, or the bridge accepts the token; 1 failed, or it does not; 2 the command line is wrong",
		example: `  mqtt-stomp-bridge token -u ada --claim groups=sales,support
  mqtt-stomp-bridge token --explain token.txt
  mqtt-stomp-bridge token --hash reports >> tokens`,
	}, func(ctx context.Context) error { return p.token(ctx, o) })
	f := c.Flags()
	configFlag(c, &o.path)
	f.StringVarP(&o.user, "user", "u", "", "the `user` that the token is for")
	f.DurationVarP(&o.ttl, "ttl", "t", time.Hour, "how long the token is valid; 0: forever, which needs auth.jwt.allow_no_expiry")
	o.claims.add(c)
	f.StringVar(&o.explain, "explain", "", "print who the token in this `file` is for the bridge, and its groups; -: the token on standard input")
	f.StringVar(&o.name, "hash", "", "print the line in auth.tokens_file for this `name` and the token on standard input; without input, make a token and print it to standard error")
	return c
}

func (p *program) token(ctx context.Context, o tokenOptions) error {
	switch named := []bool{o.user != "", o.name != "", o.explain != ""}; {
	case !slices.Contains(named, true):
		return misused("token", "needs -u USER, --explain FILE or --hash NAME")
	case !oneOf(named...):
		return misused("token", "takes one of -u, --explain and --hash")
	case o.user == "" && o.claims.given():
		return misused("token", "--claim and --claims need -u USER")
	case o.explain != "":
		return p.explainToken(ctx, o.path, o.explain)
	case o.name != "":
		return p.hashToken(o.name)
	}
	grant, err := o.claims.grant(o.user, o.ttl)
	if err != nil {
		return err
	}
	c, err := p.load(o.path)
	if err != nil {
		return err
	}
	token, err := service.SignToken(c, grant)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, token)
	return nil
}

// hashToken prints the line for a static token. Only the line goes to standard output, so that it
// can be appended to the file.
func (p *program) hashToken(name string) error {
	token, err := p.readToken()
	if err != nil {
		return err
	}
	made := token == ""
	if made {
		token = rand.Text() + rand.Text()
	}
	line, err := auth.HashToken(name, token)
	if err != nil {
		return err
	}
	if made {
		fmt.Fprintf(p.stderr, "the token, which nothing shows again: %s\n", token)
	}
	fmt.Fprintln(p.stdout, line)
	return nil
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
