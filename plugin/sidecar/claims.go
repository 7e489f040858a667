package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-stomp-bridge/bridge/auth"
)

// claimFlags say what a token holds beside its user.
type claimFlags struct {
	claims []string
	file   string
}

// add adds the flags to a command that has -u.
func (c *claimFlags) add(command *cobra.Command) {
	f := command.Flags()
	f.StringArrayVar(&c.claims, "claim", nil, "a `CLAIM=VALUE` for the token of -u, such as groups=sales,support or realm_access.roles=agent; can be repeated")
	f.StringVar(&c.file, "claims", "", "a JSON `file` with claims for the token of -u")
}

// given reports whether there is any claim.
func (c *claimFlags) given() bool { return len(c.claims) > 0 || c.file != "" }

// grant returns what a token of the user is made of.
func (c *claimFlags) grant(user string, ttl time.Duration) (auth.Grant, error) {
	var set auth.ClaimSet
	if c.file != "" {
		data, err := os.ReadFile(c.file)
		if err != nil {
			return auth.Grant{}, fmt.Errorf("--claims: %w", err)
		}
		if err := decodeJSON(data, &set.Claims); err != nil || set.Claims == nil {
			return auth.Grant{}, fmt.Errorf("--claims: %s is not a JSON object", c.file)
		}
	}
	for _, text := range c.claims {
		claim, err := auth.ParseRequiredClaim(text)
		if err == nil {
			err = set.Set(claim.Name, claimValue(claim.Value))
		}
		if err != nil {
			return auth.Grant{}, fmt.Errorf("--claim: %w", err)
		}
	}
	return auth.Grant{User: user, TTL: ttl, Claims: set.Claims}, nil
}

// claimValue returns what is written as JSON as such, a text with commas as a list, and any other
// text as it is.
func claimValue(text string) any {
	var value any
	if decodeJSON([]byte(text), &value) == nil {
		return value
	}
	if !strings.Contains(text, ",") {
		return text
	}
	list := []any{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, claimValue(part))
		}
	}
	return list
}

func decodeJSON(data []byte, v any) error {
	if !json.Valid(data) { // a decoder would leave what comes after the first value
		return fmt.Errorf("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}
