package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

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
	// maxNoted is how many ignored keys of a set are logged one by one.
	maxNoted = 16
)

// errNoKeys means that a token cannot be checked, because its key may be one that could not be
// fetched.
var errNoKeys = errors.New("the key set could not be fetched")

// JWKSConfig says where a JSON Web Key Set (RFC 7517) is published.
type JWKSConfig struct {
	URL          string       // https, or http on a loopback address; see CheckKeysURL
	InsecureHTTP bool         // accept http from anywhere
	Client       *http.Client // default: one with http.DefaultTransport; redirects must pass CheckKeysURL too
	Logger       *slog.Logger // default: discard

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

	mu       sync.Mutex
	keys     keySet        // nil: never fetched
	ignored  []ignoredKey  // of the last set that was read, as they were logged
	fetched  time.Time     // when keys was
	failure  error         // why the last fetch failed; nil: it did not
	failures int64         // fetches that failed
	settled  time.Time     // when the last fetch ended
	busy     chan struct{} // closed when the present fetch ends; nil: none is on its way
}

// KeysStatus is how a key set stands.
type KeysStatus struct {
	URL      string
	Keys     int       // that can be used
	Fetched  time.Time // when they were; the zero time: never
	Failures int64     // fetches that failed, since the start
	Err      error     // why the last one failed; nil: it did not
}

// Status returns how the key set stands.
func (j *JWKS) Status() KeysStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	return KeysStatus{URL: j.url, Keys: len(j.keys), Fetched: j.fetched, Failures: j.failures, Err: j.failure}
}

// NewJWKS returns a key set without keys, or says what is wrong with c.
func NewJWKS(c JWKSConfig) (*JWKS, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if err := CheckKeysURL(u, c.InsecureHTTP); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	client := &http.Client{}
	if c.Client != nil {
		*client = *c.Client
	}
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		return CheckKeysURL(r.URL, c.InsecureHTTP)
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
// sign tokens. insecure accepts http from anywhere.
func CheckKeysURL(u *url.URL, insecure bool) error {
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
	if address, err := netip.ParseAddr(u.Hostname()); insecure || u.Hostname() == "localhost" || err == nil && address.IsLoopback() {
		return nil
	}
	return errors.New("keys must be fetched by https, or by http from a loopback address")
}

// Run fetches the keys, again and again, until ctx is done. While the server is away the keys stay
// as they were. It must be called once.
func (j *JWKS) Run(ctx context.Context) {
	for {
		pause := keysInterval
		if j.Fetch(ctx) != nil {
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

// Fetch fetches the keys once, or says why it could not. Run does so by itself.
func (j *JWKS) Fetch(ctx context.Context) error {
	j.mu.Lock()
	if j.busy == nil {
		j.busy = make(chan struct{})
	}
	j.mu.Unlock()
	keys, ignored, err := j.read(ctx)

	j.mu.Lock()
	first, failedBefore, known, gone := j.keys == nil, j.failure != nil, j.ignored, 0
	if err == nil {
		gone = keys.lacks(j.keys)
		j.keys, j.fetched = keys, time.Now()
	}
	if ignored != nil || err == nil {
		j.ignored = ignored
	}
	if err != nil && ctx.Err() == nil {
		j.failures++
	}
	j.failure, j.settled = err, time.Now()
	close(j.busy)
	j.busy = nil
	j.mu.Unlock()

	j.logIgnored(ignored, known)
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
	return err
}

// read returns the keys that can be used and those that cannot (RFC 7517, 5: "Implementations
// SHOULD ignore JWKs within a JWK Set that use "kty" values that are not understood [...], that are
// missing required members, or for which values are out of the supported ranges"). A set without
// any is an error: it is more likely a mistake of the server than the withdrawal of all keys.
func (j *JWKS) read(ctx context.Context) (keys keySet, ignored []ignoredKey, err error) {
	data, err := j.download(ctx)
	if err != nil {
		return nil, nil, err
	}
	if keys, ignored, err = parseKeySet(data); err != nil {
		return nil, nil, err
	}
	if len(keys) == 0 {
		return nil, ignored, errors.New("the set has no key that can be used")
	}
	return keys, ignored, nil
}

func (j *JWKS) download(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := j.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the set: %w", err)
	case len(data) > maxKeySet:
		return nil, fmt.Errorf("the set is longer than %d KiB", maxKeySet>>10)
	}
	return data, nil
}

// logIgnored logs the keys that cannot be used, each once for as long as the set has it.
func (j *JWKS) logIgnored(ignored, known []ignoredKey) {
	for i, k := range ignored {
		switch {
		case i == maxNoted:
			if len(known) != len(ignored) {
				j.log.Warn("ignored more keys of the set", "url", j.url, "keys", len(ignored)-maxNoted)
			}
			return
		case slices.Contains(known[:min(len(known), maxNoted)], k):
		case k.unreadable:
			j.log.Warn("ignored a key of the set, which cannot be used", "url", j.url, "kid", cmp.Or(k.id, "(none)"), "reason", k.reason)
		default:
			j.log.Debug("ignored a key of the set, which is not for signatures of tokens", "url", j.url, "kid", k.id, "reason", k.reason)
		}
	}
}

// known returns the keys that may have signed the token.
func (j *JWKS) known(t *jwt.Token) (any, error) {
	j.mu.Lock()
	keys, failed := j.keys, j.failure != nil
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
	// The fetch ends by itself, and what it ends with is the answer: leaving at the same moment
	// would take a key for unknown that could not be fetched.
	ctx, cancel := context.WithTimeout(ctx, keysTimeout+time.Second)
	defer cancel()
	select {
	case <-busy:
	case <-ctx.Done():
	}
	return true
}
