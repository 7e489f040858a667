package service

import (
	"context"
	"errors"
	"log/slog"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/plugin/config"
)

// ExplainToken returns what each provider of the configuration that a token is for makes of it. It
// fetches the published keys; what is wrong with those is logged.
func ExplainToken(ctx context.Context, c *config.Config, token string, logger *slog.Logger) ([]auth.Explanation, error) {
	if len(c.Auth.Providers) == 0 {
		return nil, errors.New("auth.jwt has no keys, so it checks no tokens")
	}
	one, _, sets, err := newAuthentication(logger, nil).providers(c.Auth.Providers, nil)
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		s.keys.Fetch(ctx) // a failure is logged, and makes the token one that cannot be checked
	}
	return one.Explain(ctx, token), nil
}
