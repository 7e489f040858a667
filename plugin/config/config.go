// Package config turns config.yaml and the environment into the typed configuration of the bridge.
package config

import (
	"crypto"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/mitchellh/mapstructure"

	"mqtt-stomp-bridge/bridge/auth"
	"mqtt-stomp-bridge/bridge/journal"
	"mqtt-stomp-bridge/bridge/journal/jetstream"
	"mqtt-stomp-bridge/bridge/mqtt"
	"mqtt-stomp-bridge/bridge/server"
	"mqtt-stomp-bridge/mapping"
)

// A Config is everything the sidecar is told. Load makes it; it is read-only afterwards.
// Every setting is described in REFERENCE.md, from the table in keys.go.
// Paths and the patterns of Include are absolute.
type Config struct {
	Log     Log      `mapstructure:"log"`
	Broker  Broker   `mapstructure:"broker"`
	Server  Server   `mapstructure:"server"`
	Auth    Auth     `mapstructure:"auth"`
	Journal Journal  `mapstructure:"journal"`
	Ops     Ops      `mapstructure:"ops"`
	Include []string `mapstructure:"include"` // patterns of further rule files

	// Mapper is the compiled rules of all files, with their tables, memories and tests.
	Mapper *mapping.Mapper `mapstructure:"-"`

	// Access is who may subscribe to what; nil: everybody to everything.
	Access *mapping.Access `mapstructure:"-"`

	// Hash identifies the configuration: the effective settings, access, tables, memory, rules and tests,
	// whatever file or variable they came from. Secrets are left out of it, so that it can be
	// published; a new secret does not change it.
	Hash string `mapstructure:"-"`

	// ReplicaHash is Hash without what may differ from replica to replica: where it listens, which
	// NATS servers it connects to, how it logs, its name.
	ReplicaHash string `mapstructure:"-"`

	// RulesHash identifies the tables, memories and rules alone.
	RulesHash string `mapstructure:"-"`

	// Files are all files that were read: the configuration first, then secrets and certificates,
	// then included files. The configuration and included files are named as in problems, relative
	// to the working directory where path was.
	Files []string `mapstructure:"-"`
}

// Log is how the sidecar logs.
type Log struct {
	Level  slog.Level `mapstructure:"level"`
	Format string     `mapstructure:"format"` // "text" or "json"
}

// Broker is the MQTT broker and the session with it.
type Broker struct {
	URL             []*url.URL    `mapstructure:"url"` // tried in turn; without user information, never without a port
	ClientID        string        `mapstructure:"client_id"`
	Username        string        `mapstructure:"username"`
	Password        Secret        `mapstructure:"password"`
	PasswordFile    string        `mapstructure:"password_file"` // can be read at load; Password stays empty
	CAFile          string        `mapstructure:"ca_file"`
	CertFile        string        `mapstructure:"cert_file"`
	KeyFile         string        `mapstructure:"key_file"`
	KeyPassword     Secret        `mapstructure:"key_password"`
	KeyPasswordFile string        `mapstructure:"key_password_file"` // as PasswordFile
	ServerName      string        `mapstructure:"server_name"`       // "": the URL's
	Insecure        bool          `mapstructure:"insecure"`
	Keepalive       time.Duration `mapstructure:"keepalive"`
	SessionExpiry   time.Duration `mapstructure:"session_expiry"`
	BaseTopic       string        `mapstructure:"base_topic"`
	Status          bool          `mapstructure:"status"`
}

// Server is the WebSocket endpoint.
type Server struct {
	Listen         string         `mapstructure:"listen"`
	Path           string         `mapstructure:"path"`
	AllowedOrigins []string       `mapstructure:"allowed_origins"`
	Hosts          []string       `mapstructure:"hosts"`
	Heartbeat      time.Duration  `mapstructure:"heartbeat"`
	CertFile       string         `mapstructure:"cert_file"`
	KeyFile        string         `mapstructure:"key_file"`
	ClientCAFile   string         `mapstructure:"client_ca_file"`
	TrustedProxies []netip.Prefix `mapstructure:"trusted_proxies"`
	ProxyProtocol  bool           `mapstructure:"proxy_protocol"`
	Limits         Limits         `mapstructure:"limits"`
}

// Limits bound what clients can make the server hold or wait for.
type Limits struct {
	Sessions             int           `mapstructure:"sessions"`
	SessionsPerUser      int           `mapstructure:"sessions_per_user"`
	SessionsPerAddress   int           `mapstructure:"sessions_per_address"`
	OnLimit              string        `mapstructure:"on_limit"` // refuse, end_oldest
	ConnectsPerSecond    int           `mapstructure:"connects_per_second"`
	Subscriptions        int           `mapstructure:"subscriptions"` // per session
	HandshakeTimeout     time.Duration `mapstructure:"handshake_timeout"`
	WriteTimeout         time.Duration `mapstructure:"write_timeout"`
	UnauthenticatedBytes Bytes         `mapstructure:"unauthenticated_bytes"`
	Message              Bytes         `mapstructure:"message"` // of one MESSAGE frame
	OutgoingBytes        Bytes         `mapstructure:"outgoing_bytes"`
	UnreadBytes          Bytes         `mapstructure:"unread_bytes"`
	HeaderLine           Bytes         `mapstructure:"header_line"`
	Headers              int           `mapstructure:"headers"` // per frame
	Body                 Bytes         `mapstructure:"body"`
}

// Auth is who may connect.
type Auth struct {
	GroupsClaim     string      `mapstructure:"groups_claim"`
	GroupsSeparator string      `mapstructure:"groups_separator"`
	JWT             JWT         `mapstructure:"jwt"` // where the file has one mapping; see Providers
	Broker          AuthBroker  `mapstructure:"broker"`
	TokensFile      string      `mapstructure:"tokens_file"`
	Tokens          auth.Tokens `mapstructure:"-"` // what TokensFile holds
	Anonymous       bool        `mapstructure:"anonymous"`

	// Providers are all who issue JSON Web Tokens and have keys: JWT, or those of a list.
	Providers []JWT `mapstructure:"-"`

	// Kinds are those that are configured, in the order of the file; those that only variables
	// configure come last.
	Kinds []auth.Kind `mapstructure:"-"`
}

// JWT is how tokens of one provider are checked.
type JWT struct {
	Name string `mapstructure:"-"` // of the provider, for logs: its first issuer, the URL of its keys, or its place

	// Secret holds the keys themselves, from the configuration or from SecretFile, base64 already
	// undone.
	Secret           []Secret             `mapstructure:"secret"`
	SecretFile       []string             `mapstructure:"secret_file"`
	SecretEncoding   string               `mapstructure:"secret_encoding"` // "utf8" or "base64"
	PublicKeyFile    []string             `mapstructure:"public_key_file"`
	PublicKeys       []crypto.PublicKey   `mapstructure:"-"` // what PublicKeyFile holds
	JWKSURL          string               `mapstructure:"jwks_url"`
	JWKSInsecureHTTP bool                 `mapstructure:"jwks_insecure_http"`
	JWKSCAFile       string               `mapstructure:"jwks_ca_file"`
	JWKSCAs          *x509.CertPool       `mapstructure:"-"`         // what JWKSCAFile holds; nil: the system's
	Algorithm        []string             `mapstructure:"algorithm"` // fit the keys
	UserClaim        string               `mapstructure:"user_claim"`
	UserPrefix       string               `mapstructure:"user_prefix"`
	GroupsClaim      string               `mapstructure:"groups_claim"` // of a provider in Providers: never empty
	GroupsSeparator  string               `mapstructure:"groups_separator"`
	RequiredClaims   []auth.RequiredClaim `mapstructure:"required_claims"`
	Issuer           []string             `mapstructure:"issuer"`   // none: any
	Audience         []string             `mapstructure:"audience"` // none: any
	Leeway           time.Duration        `mapstructure:"leeway"`
	AllowNoExpiry    bool                 `mapstructure:"allow_no_expiry"`
}

// AuthBroker is how logins are checked by the broker.
type AuthBroker struct {
	Enabled    bool          `mapstructure:"enabled"`
	Cache      time.Duration `mapstructure:"cache"`
	MaxSession time.Duration `mapstructure:"max_session"` // 0: none
	UserPrefix string        `mapstructure:"user_prefix"`
}

// Journal is the log of mapped entries and how long it keeps them.
type Journal struct {
	Dir      string        `mapstructure:"dir"` // "": in memory
	NATS     NATS          `mapstructure:"nats"`
	MaxAge   time.Duration `mapstructure:"max_age"`
	MaxBytes Bytes         `mapstructure:"max_bytes"`
	Latest   Latest        `mapstructure:"latest"`
}

// NATS is the stream that several bridges share as their journal.
type NATS struct {
	URL             []*url.URL `mapstructure:"url"` // none: no such journal
	Name            string     `mapstructure:"name"`
	Replicas        int        `mapstructure:"replicas"` // of the stream
	ID              string     `mapstructure:"id"`       // "": the host's name
	Username        string     `mapstructure:"username"`
	PasswordFile    string     `mapstructure:"password_file"` // can be read at load
	CredentialsFile string     `mapstructure:"credentials_file"`
	CAFile          string     `mapstructure:"ca_file"`
	CertFile        string     `mapstructure:"cert_file"`
	KeyFile         string     `mapstructure:"key_file"`
	ServerName      string     `mapstructure:"server_name"` // "": the URL's
	MonitorURL      []*url.URL `mapstructure:"monitor_url"`
}

// Shared reports whether several bridges may share the journal; Dir is not used then.
func (j Journal) Shared() bool { return len(j.NATS.URL) > 0 }

// Durable reports whether the journal outlives the process.
func (j Journal) Durable() bool { return j.Dir != "" || j.Shared() }

// Latest bounds the newest entry per key that snapshots are made of.
type Latest struct {
	MaxKeys int           `mapstructure:"max_keys"`
	MaxAge  time.Duration `mapstructure:"max_age"`
}

// Ops is the endpoint for operators.
type Ops struct {
	Listen string   `mapstructure:"listen"` // "": none
	Hosts  []string `mapstructure:"hosts"`

	ShowPayloads bool `mapstructure:"show_payloads"`

	Trail Bytes `mapstructure:"trail"` // 0: none

	Console bool     `mapstructure:"console"`
	Login   OpsLogin `mapstructure:"login"`
}

// OpsLogin is what operators show; the zero value demands nothing.
type OpsLogin struct {
	PasswordFile   string               `mapstructure:"password_file"`
	Passwords      []auth.PasswordHash  `mapstructure:"-"` // what PasswordFile holds
	RequiredClaims []auth.RequiredClaim `mapstructure:"required_claims"`
}

// Demanded reports whether operators have to show anything.
func (l OpsLogin) Demanded() bool { return l.PasswordFile != "" || len(l.RequiredClaims) > 0 }

// Default returns the configuration of an empty file. A default that a package of the bridge has is
// that package's.
func Default() *Config {
	l := server.DefaultLimits()
	return &Config{
		Log: Log{Level: slog.LevelInfo, Format: "text"},
		Broker: Broker{
			URL:           []*url.URL{{Scheme: "mqtt", Host: "127.0.0.1:1883"}},
			ClientID:      "mqtt-stomp-bridge",
			Keepalive:     mqtt.DefaultKeepAlive,
			SessionExpiry: mqtt.DefaultSessionExpiry,
			BaseTopic:     mapping.DefaultBaseTopic,
			Status:        true,
		},
		Server: Server{
			Listen:    "127.0.0.1:8080",
			Path:      server.DefaultPath,
			Heartbeat: server.DefaultHeartBeat,
			Limits: Limits{
				Sessions:             l.Sessions,
				Subscriptions:        l.Subscriptions,
				HandshakeTimeout:     l.ConnectTimeout,
				WriteTimeout:         l.WriteTimeout,
				UnauthenticatedBytes: Bytes(l.UnauthenticatedBytes),
				Message:              Bytes(l.Message),
				OutgoingBytes:        Bytes(l.OutgoingBytes),
				UnreadBytes:          Bytes(l.UnreadBytes),
				OnLimit:              "refuse",
				HeaderLine:           Bytes(l.Frame.Line),
				Headers:              l.Frame.Headers,
				Body:                 Bytes(l.Frame.Body),
			},
		},
		Auth: Auth{
			GroupsClaim: "groups",
			JWT: JWT{
				SecretEncoding: "utf8",
				Algorithm:      []string{auth.DefaultAlgorithm},
				UserClaim:      auth.DefaultUserClaim,
				Leeway:         auth.DefaultLeeway,
			},
			Broker: AuthBroker{Cache: time.Minute, MaxSession: 24 * time.Hour},
		},
		Journal: Journal{
			NATS:     NATS{Name: jetstream.DefaultName, Replicas: jetstream.DefaultReplicas},
			MaxAge:   journal.DefaultMaxAge,
			MaxBytes: journal.DefaultMaxBytes,
			Latest:   Latest{MaxKeys: journal.DefaultLatestMaxKeys, MaxAge: journal.DefaultLatestMaxAge},
		},
		Ops: Ops{Listen: "127.0.0.1:9464", Trail: 16 * MiB, Console: true},
	}
}

// NeedsRestart returns the paths of the settings that differ in next and are not reloaded, in the
// order of Keys.
func (c *Config) NeedsRestart(next *Config) []string {
	was, is := c.settings(), next.settings()
	var changed []string
	for _, k := range Keys() {
		if !k.Reloaded && !reflect.DeepEqual(was.at(k.Path), is.at(k.Path)) {
			changed = append(changed, k.Path)
		}
	}
	return changed
}

// A tree is settings as nested maps, by the keys of config.yaml.
type tree map[string]any

// settings returns the settings of c as a tree.
func (c *Config) settings() tree {
	t := map[string]any{}
	if err := mapstructure.Decode(c, &t); err != nil {
		panic("config: " + err.Error()) // the types of Config are ours
	}
	return t
}

// at returns the value under a dotted path, nil where there is none.
func (t tree) at(path string) any {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		return t[name]
	}
	inner, _ := t[name].(map[string]any)
	return tree(inner).at(rest)
}

// set puts a value under a dotted path.
func (t tree) set(path string, value any) {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		t[name] = value
		return
	}
	inner, ok := t[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		t[name] = inner
	}
	tree(inner).set(rest, value)
}
