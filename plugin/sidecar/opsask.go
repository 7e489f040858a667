package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxOpsAnswer is more than the largest answer of the ops endpoint that a command asks for, in bytes.
const maxOpsAnswer = 16 << 20

// askOps asks the ops endpoint of a running bridge, where it is or was configured to be, and returns
// the answer; the first that answers counts. Page is its path with the query.
func (p *program) askOps(ctx context.Context, path, method, page string) (answer []byte, err error) {
	err = errors.New("ops.listen is empty, so a running bridge cannot be asked: set it, such as to 127.0.0.1:9464")
	for _, address := range p.opsListen(path) {
		answer, err = request(ctx, method, "http://"+dialAddress(address)+page)
		if !errors.Is(err, errNobody) {
			break
		}
	}
	return answer, err
}

// request returns what the URL answers if that is a success, and otherwise why not.
func request(ctx context.Context, method, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // as ask does
	response, err := direct.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w, is the bridge running? %w", errNobody, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxOpsAnswer))
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}
