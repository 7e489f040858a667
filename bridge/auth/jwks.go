package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// keysInterval is how often a key set is fetched anew.
	keysInterval = 10 * time.Minute
	// keysPause is the least time between two fetches, and the time after which one that failed is
	// tried again. Tokens with made-up key ids cannot cause more.
	keysPause = 10 * time.Second
	// keysTimeout bounds a fetch.
	keysTimeout = 5 * time.Second
	// maxKeySet is the size of the largest key set that is read, in bytes.
	maxKeySet = 512 << 10
)

// errNoKeys means that a token cannot be checked, because its key may be one that could not be
// fetched.
var errNoKeys = errors.New("the key set could not be fetched")

// JWKSConfig says where a JSON Web Key Set (RFC 7517) is published.
type JWKSConfig struct {
	URL    string       // https, or http on a loopback address; see CheckKeysURL
	Client *http.Client // default: one with http.DefaultTransport; redirects must pass CheckKeysURL too
	Logger *slog.Logger // default: discard

	// Withdrawn, if not nil, is signalled without blocking after a fetch that may invalidate
	// accepted identities: the first fetch, because an earlier JWKS may have accepted some, and any
	// that drops a key. Use a channel of capacity 1.
	Withdrawn chan<- struct{}
}

// JWKS keeps a published key set. NewJWKS is the only way to make one; before Run fetches the keys,
// nothing can be checked.
type JWKS struct {
	url       string
	client    *http.Client
	log       *slog.Logger
	withdrawn chan<- struct{}
	wanted    chan struct{} // holds one when a token's key is not known; never closed

	mu      sync.Mutex
	keys    keySet        // nil: never fetched
	failed  bool          // the last fetch failed
	settled time.Time     // when the last fetch ended
	busy    chan struct{} // closed when the present fetch ends; nil: none is on its way
}

// NewJWKS returns a key set without keys, or says what is wrong with c.
func NewJWKS(c JWKSConfig) (*JWKS, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if err := CheckKeysURL(u); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	client := &http.Client{}
	if c.Client != nil {
		*client = *c.Client
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	client.Transport = boundedTransport{transport}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return CheckKeysURL(r.URL)
	}
	return &JWKS{
		url:       c.URL,
		client:    client,
		log:       c.Logger,
		withdrawn: c.Withdrawn,
		wanted:    make(chan struct{}, 1),
		busy:      make(chan struct{}),
	}, nil
}

// CheckKeysURL returns why keys must not be fetched from u: whoever can change them on the way can
// sign tokens.
func CheckKeysURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Fragment != "":
		return errors.New("not the URL of a key set")
	case u.User != nil:
		return errors.New("the URL must not contain user information: it would be logged")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("keys cannot be fetched by %q: only by https", u.Scheme)
	}
	if address, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && address.IsLoopback() {
		return nil
	}
	return errors.New("keys must be fetched by https, or by http from a loopback address")
}

// Run fetches the keys, again and again, until ctx is done. While the server is away the keys stay
// as they were. It must be called once.
func (j *JWKS) Run(ctx context.Context) {
	for {
		pause := keysInterval
		if !j.refresh(ctx) {
			pause = keysPause
		}
		if !wait(ctx, keysPause, nil) || !wait(ctx, pause-keysPause, j.wanted) {
			return
		}
	}
}

// wait waits until the time is over or somebody wakes it; it reports false when ctx is done.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// refresh fetches the keys and reports whether it could.
func (j *JWKS) refresh(ctx context.Context) bool {
	j.mu.Lock()
	if j.busy == nil {
		j.busy = make(chan struct{})
	}
	j.mu.Unlock()
	keys, err := j.fetch(ctx)

	j.mu.Lock()
	first, failedBefore, gone := j.keys == nil, j.failed, 0
	if err == nil {
		gone = keys.lacks(j.keys)
		j.keys = keys
	}
	j.failed, j.settled = err != nil, time.Now()
	close(j.busy)
	j.busy = nil
	j.mu.Unlock()

	switch {
	case ctx.Err() != nil:
	case err != nil && !failedBefore && first:
		j.log.Warn("cannot fetch token keys: no token can be checked until a fetch succeeds", "url", j.url, "error", err)
	case err != nil && !failedBefore:
		j.log.Warn("cannot refresh token keys: the known ones stay in use", "url", j.url, "error", err)
	case err == nil && (first || failedBefore):
		j.log.Info("fetched token keys", "url", j.url, "keys", len(keys))
	}
	if gone > 0 {
		j.log.Info("token keys were withdrawn: sessions that depend on them end", "url", j.url, "withdrawn", gone, "keys", len(keys))
	}
	if gone > 0 || first && err == nil {
		select {
		case j.withdrawn <- struct{}{}:
		default:
		}
	}
	return err == nil
}

// fetch returns the keys that can be used. A set without any is an error: it is more likely a
// mistake of the server than the withdrawal of all keys.
func (j *JWKS) fetch(ctx context.Context) (keySet, error) {
	set, err := jwkset.NewStorageFromHTTP(j.url, jwkset.HTTPClientStorageOptions{
		Client:      j.client,
		Ctx:         ctx,
		HTTPTimeout: keysTimeout,
		// What the set says of its keys beyond the keys themselves, such as their certificates, is
		// not looked at.
		ValidateOptions: jwkset.JWKValidateOptions{SkipAll: true},
	})
	if err != nil {
		return nil, err
	}
	all, err := set.KeyReadAll(ctx)
	if err != nil {
		return nil, err
	}
	var keys keySet
	for _, key := range all {
		k, err := newPublishedKey(key)
		if err != nil {
			j.log.Debug("ignored a key of the set", "url", j.url, "kid", k.id, "reason", err)
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("the set has no key that can be used")
	}
	return keys, nil
}

// known returns the keys that may have signed the token.
func (j *JWKS) known(t *jwt.Token) (any, error) {
	j.mu.Lock()
	keys, failed := j.keys, j.failed
	j.mu.Unlock()
	if keys == nil {
		return nil, errNoKeys
	}
	found, err := keys.signing(t)
	if err == errUnknownKey && failed {
		return nil, errNoKeys
	}
	return found, err
}

// await is known, after a fetch if the key may be a new one.
func (j *JWKS) await(ctx context.Context, t *jwt.Token) (any, error) {
	keys, err := j.known(t)
	if err != errNoKeys && err != errUnknownKey || !j.refreshed(ctx) {
		return keys, err
	}
	return j.known(t)
}

// refreshed waits for the fetch that is on its way or may begin now, and reports whether there was
// one.
func (j *JWKS) refreshed(ctx context.Context) bool {
	j.mu.Lock()
	busy := j.busy
	if busy == nil {
		if time.Since(j.settled) < keysPause {
			j.mu.Unlock()
			return false
		}
		busy = make(chan struct{})
		j.busy = busy
		select {
		case j.wanted <- struct{}{}:
		default:
		}
	}
	j.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	select {
	case <-busy:
	case <-ctx.Done():
	}
	return true
}

// boundedTransport truncates answers that are too long for a key set.
type boundedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = boundedBody{io.LimitReader(response.Body, maxKeySet), response.Body}
	}
	return response, err
}

type boundedBody struct {
	io.Reader
	io.Closer
}
