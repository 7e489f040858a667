package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
)

// An opsLogin is what the command line says of who asks the ops endpoint.
type opsLogin struct {
	command                       string // that asks
	name, passwordFile, tokenFile string
}

// loginFlags are for the commands that ask the ops endpoint for what only operators may see.
func loginFlags(c *cobra.Command, l *opsLogin) {
	l.command = c.Name()
	f := c.Flags()
	f.StringVar(&l.name, "login", "", "if the bridge demands a login (ops.login): your `name`, with --password-file")
	f.StringVar(&l.passwordFile, "password-file", "", "read the password of --login from this `file`; /dev/stdin for a pipe")
	f.StringVar(&l.tokenFile, "token-file", "", "if the bridge demands a token (ops.login): read it from this `file`; default: $"+tokenVariable)
	c.MarkFlagFilename("password-file")
	c.MarkFlagFilename("token-file")
}

// authorization returns what the request shows; "" for nothing.
func (p *program) authorization(l opsLogin) (string, error) {
	switch {
	case (l.name == "") != (l.passwordFile == ""):
		return "", misused(l.command, "--login and --password-file go together")
	case l.name != "" && l.tokenFile != "":
		return "", misused(l.command, "give either --login or --token-file")
	case l.name != "":
		password, err := config.ReadSecretFile(l.passwordFile)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.name+":"+string(password))), nil
	}
	token, err := p.givenToken(l.tokenFile)
	if err != nil || token == "" {
		return "", err
	}
	return "Bearer " + auth.Token(token), nil
}

// maxOpsAnswer is more than the largest answer of the ops endpoint that a command asks for, in bytes.
const maxOpsAnswer = 16 << 20

// askOps asks the ops endpoint of a running bridge, where it is or was configured to be, and returns
// the answer; the first that answers counts. Page is its path with the query.
func (p *program) askOps(ctx context.Context, path string, l opsLogin, method, page string) (answer []byte, err error) {
	authorization, err := p.authorization(l)
	if err != nil {
		return nil, err
	}
	err = errors.New("ops.listen is empty, so a running bridge cannot be asked: set it, such as to 127.0.0.1:9464")
	for _, address := range p.opsListen(path) {
		answer, err = request(ctx, method, "http://"+dialAddress(address)+page, authorization)
		if !errors.Is(err, errNobody) {
			break
		}
	}
	return answer, err
}

// request returns what the URL answers if that is a success, and otherwise why not.
func request(ctx context.Context, method, url, authorization string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // as ask does
	response, err := direct.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w, is the bridge running? %w", errNobody, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxOpsAnswer))
	switch {
	case err != nil:
	case response.StatusCode == http.StatusUnauthorized && authorization == "":
		err = errors.New("the bridge demands a login (ops.login): give --login NAME and --password-file FILE, or a token by --token-file FILE or $" + tokenVariable)
	case response.StatusCode >= 300:
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
