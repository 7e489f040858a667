package config

import (
	"slices"
	"strings"
	"time"

	"mqtt-stomp-bridge/bridge/auth"
)

// A Key is one setting: what config.yaml, the schema, the reference and the loader know of it.
type Key struct {
	Path     string // "broker.url"
	Meaning  string // what it does, in Markdown
	List     bool   // takes one value or a list of them
	Secret   bool   // its value is never shown
	Reloaded bool   // a change takes effect without a restart
	kind     kind
}

// Type says what the value may be.
func (k Key) Type() string {
	if k.List {
		return k.kind.name + "; one or a list"
	}
	return k.kind.name
}

// Schema returns the JSON Schema of one value.
func (k Key) Schema() map[string]any { return k.kind.schema }

// Env returns the name of the variable that overrides the setting: "BRIDGE_BROKER_URL".
func (k Key) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

// Default returns the default as it is written in config.yaml; "" for none.
func (k Key) Default() string { return format(Default().settings().at(k.Path)) }

// A Section is a group of settings.
type Section struct {
	Path    string // "server.limits"
	Meaning string
}

// Sections returns the groups of settings in the order of config.yaml.
func Sections() []Section {
	return []Section{
		{"log", "What is logged, to standard error."},
		{"broker", "The MQTT 5 broker, and the session with it."},
		{"server", "The STOMP over WebSocket endpoint that clients connect to."},
		{"server.limits", "What clients may ask of the server. A session that goes over a limit is ended."},
		{"auth", "Who may connect. One kind or several, tried in the order in which they stand here: the first that accepts counts. There must be one: a secret or public keys for `jwt`, `broker`, `tokens_file` or `anonymous`. A token may also be the `passcode` of CONNECT; its `login` must then be empty or the token's user."},
		{"auth.jwt", "Clients show a JSON Web Token. Whoever makes the tokens shares a secret with the bridge, or publishes the keys that check them: of `secret`, `secret_file`, `public_key_file` and `jwks_url` one is needed."},
		{"auth.broker", "Clients show a login and its password as `login` and `passcode` of CONNECT; the broker is asked whether it would let them in. Who fails too often has to wait: a login for half a minute after 10 failures, an address, of IPv6 a /64, for a second after 50."},
		{"journal", "The log of mapped entries, from which a client that was away resumes."},
		{"journal.latest", "The newest entry per conversation and channel, for `snapshot: latest`; kept beyond `max_age` and `max_bytes`."},
		{"ops", "Health and metrics, for operators."},
	}
}

const (
	sec  = time.Second
	hour = time.Hour
	ever = 10 * 8760 * hour
)

// Keys returns all settings in the order of config.yaml. It is the one table behind the loader, the schema and the reference.
func Keys() []Key {
	return slices.Clone(keys)
}

var keys = []Key{
	{Path: "log.level", Reloaded: true, kind: level(),
		Meaning: "Messages below this level are not logged. `debug` logs every event, never a payload or a token."},
	{Path: "log.format", kind: oneOf("text", "json"),
		Meaning: "One line of `key=value` pairs, or one JSON object, a message."},

	{Path: "broker.url", List: true, kind: brokerURL(),
		Meaning: "Where the broker is; several are tried in turn. Without a port: 1883, or 8883 with TLS (`mqtts`, `ssl`)."},
	{Path: "broker.client_id", kind: name(),
		Meaning: "Names the session that the broker keeps while the bridge is away; no two clients of a broker may share it. The connection that publishes adds `-out`."},
	{Path: "broker.username", kind: text(),
		Meaning: "User name. None: anonymous."},
	{Path: "broker.password", Secret: true, kind: secret(),
		Meaning: "Password. Better in `password_file` or in the variable."},
	{Path: "broker.password_file", kind: path(),
		Meaning: "File that holds the password; read again before each connect."},
	{Path: "broker.ca_file", kind: path(),
		Meaning: "PEM file with the certificates that the broker's must descend from. None: those of the system."},
	{Path: "broker.cert_file", kind: path(),
		Meaning: "PEM file with the bridge's own certificate, where the broker asks for one; needs `key_file`."},
	{Path: "broker.key_file", kind: path(),
		Meaning: "PEM file with the key of `cert_file`."},
	{Path: "broker.insecure", kind: boolean(),
		Meaning: "Accept any certificate of the broker: for trying only, since whoever sits in between can read and change everything."},
	{Path: "broker.keepalive", kind: duration(sec, sec, 18*hour),
		Meaning: "Longest silence between the bridge and the broker. After twice as long, at the latest, the connection counts as lost."},
	{Path: "broker.session_expiry", kind: duration(sec, sec, ever),
		Meaning: "How long the broker keeps subscriptions and queued events while the bridge is away. Mosquitto's `max_queued_messages` bounds them too."},
	{Path: "broker.base_topic", kind: topic(),
		Meaning: "The bridge publishes its state to `<base_topic>/state` and dead letters to `<base_topic>/dead-letter/<rule>`. Nothing below it matches a rule. Two bridges at one broker need one each."},

	{Path: "server.listen", kind: address(),
		Meaning: "Address to listen on. Without a host (`:8080`): on all interfaces."},
	{Path: "server.path", kind: urlPath(),
		Meaning: "Path of the WebSocket endpoint."},
	{Path: "server.allowed_origins", List: true, Reloaded: true, kind: origin(),
		Meaning: "Origins of the web pages that may connect, besides the endpoint's own: `https://app.example.org`, `https://*.example.org`, or `*` for all. Clients outside a browser send none and are not held to it."},
	{Path: "server.heartbeat", kind: duration(time.Millisecond, sec, hour),
		Meaning: "STOMP heart-beat that the server offers and asks for. A client may be silent for three times as long."},
	{Path: "server.cert_file", Reloaded: true, kind: path(),
		Meaning: "PEM file with the server's certificate chain; needs `key_file`. None: plain `ws://`, for a proxy in front."},
	{Path: "server.key_file", Reloaded: true, kind: path(),
		Meaning: "PEM file with the key of `cert_file`."},

	{Path: "server.client_ca_file", kind: path(),
		Meaning: "PEM file with the certificates that a client's own must descend from, beside its token; needs `cert_file`. None: clients show no certificate."},
	{Path: "server.trusted_proxies", List: true, kind: network(),
		Meaning: "Addresses or networks of proxies in front, such as `10.0.0.0/8`: what they say in X-Forwarded-For is believed, for logs and for limits by address."},

	{Path: "server.limits.sessions", kind: integer(1, 10_000_000),
		Meaning: "Clients connected at one time."},
	{Path: "server.limits.sessions_per_user", kind: integer(0, 10_000_000),
		Meaning: "Of these, with one user's name. `0`: no limit."},
	{Path: "server.limits.sessions_per_address", kind: integer(0, 10_000_000),
		Meaning: "Of these, from one address, of IPv6 from one /64. Behind a proxy that is not in `trusted_proxies` all have the proxy's. `0`: no limit."},
	{Path: "server.limits.connects_per_second", kind: integer(0, 10_000_000),
		Meaning: "New connections a second, and how many may come at once after a pause. `0`: no limit."},
	{Path: "server.limits.subscriptions", kind: integer(1, 1000),
		Meaning: "Subscriptions of one session at one time."},
	{Path: "server.limits.handshake_timeout", kind: duration(time.Millisecond, 100*time.Millisecond, hour),
		Meaning: "Time from the connection to a valid CONNECT frame."},
	{Path: "server.limits.write_timeout", kind: duration(time.Millisecond, 100*time.Millisecond, hour),
		Meaning: "Time that one write to a client may take. A client that only lags is not cut off by it."},
	{Path: "server.limits.unauthenticated_bytes", kind: size(KiB, GiB),
		Meaning: "What a client may send before its token was accepted."},
	{Path: "server.limits.outgoing_bytes", kind: size(KiB, GiB),
		Meaning: "Answers that wait for a client that does not read; beyond it nothing more is read from it. What it has subscribed to waits in the journal."},
	{Path: "server.limits.header_line", kind: size(256, MiB),
		Meaning: "Length of one header line of a STOMP frame; a token has to fit."},
	{Path: "server.limits.headers", kind: integer(8, 10_000),
		Meaning: "Headers of one STOMP frame."},
	{Path: "server.limits.body", kind: size(0, GiB),
		Meaning: "Body of one STOMP frame from a client."},

	{Path: "auth.groups_claim", Reloaded: true, kind: name(),
		Meaning: "Claim that names the groups of the user, a text or a list of texts, for the `audience` of rules."},
	{Path: "auth.jwt.secret", List: true, Secret: true, Reloaded: true, kind: secret(),
		Meaning: "The secret; several while one replaces another: a token may be signed with any. HS256 needs 32 bytes or more (HS384: 48, HS512: 64). Better in `secret_file` or in the variable, which takes one."},
	{Path: "auth.jwt.secret_file", List: true, Reloaded: true, kind: path(),
		Meaning: "File that holds the secret; a line break at its end does not count."},
	{Path: "auth.jwt.secret_encoding", Reloaded: true, kind: oneOf("utf8", "base64"),
		Meaning: "How the secret is written: as it is, or in base64 for the bytes it stands for."},
	{Path: "auth.jwt.public_key_file", List: true, Reloaded: true, kind: path(),
		Meaning: "PEM file with public keys or certificates, one or several: a token may be signed by any. RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, Ed25519. Of a certificate only the key counts."},
	{Path: "auth.jwt.jwks_url", Reloaded: true, kind: keysURL(),
		Meaning: "Where the keys are published as a JSON Web Key Set; `https`, or `http` on this machine. They are fetched every 10 minutes, and for a token that names a new key, at most every 10 seconds. A key that names its `alg` is for that one alone. Sessions whose key is not in the set any more end with 401. While the server is away, or its set has no key at all, the known keys go on."},
	{Path: "auth.jwt.jwks_ca_file", Reloaded: true, kind: path(),
		Meaning: "PEM file with the certificates that the one of `jwks_url` must descend from. None: those of the system."},
	{Path: "auth.jwt.algorithm", List: true, Reloaded: true, kind: oneOf(auth.Algorithms()...),
		Meaning: "The signatures that are accepted, whatever a token says of itself. They must be for the keys: HS for secrets; RS, PS, ES and EdDSA for public keys."},
	{Path: "auth.jwt.user_claim", Reloaded: true, kind: name(),
		Meaning: "Claim that names the user. Airy Core's tokens: `user_id`."},
	{Path: "auth.jwt.issuer", Reloaded: true, kind: text(),
		Meaning: "The `iss` that a token must have. None: any."},
	{Path: "auth.jwt.audience", Reloaded: true, kind: text(),
		Meaning: "What a token's `aud` must be or contain. None: any."},
	{Path: "auth.jwt.required_claims", List: true, Reloaded: true, kind: requiredClaim(),
		Meaning: "Further claims that a token must have, each written `CLAIM=VALUE`: `tenant=acme`. A claim that is a list must contain the value."},
	{Path: "auth.jwt.leeway", Reloaded: true, kind: duration(time.Millisecond, 0, hour),
		Meaning: "How far clocks may differ when `nbf` and `iat` are checked. `exp` has no leeway."},
	{Path: "auth.jwt.allow_no_expiry", Reloaded: true, kind: boolean(),
		Meaning: "Accept tokens without `exp`: their sessions never end by themselves."},

	{Path: "auth.broker.enabled", Reloaded: true, kind: boolean(),
		Meaning: "Let in whom the broker lets in. It is asked over the settings of `broker`, with a client id of its own each time. It must refuse logins that do not exist: one that accepts anybody is noticed and lets nobody in here."},
	{Path: "auth.broker.cache", Reloaded: true, kind: duration(time.Millisecond, 0, hour),
		Meaning: "How long a password that was right is not asked about again; a changed one works for as long. `0s`: ask each time."},
	{Path: "auth.broker.max_session", Reloaded: true, kind: duration(time.Millisecond, 0, ever),
		Meaning: "A session ends after this time, so that a login which the broker does not accept any more does not last. `0s`: never."},

	{Path: "auth.tokens_file", Reloaded: true, kind: path(),
		Meaning: "File with static tokens for services: a line `NAME:HASH` each, the SHA-256 of the token in hexadecimal, as `mqtt-stomp-bridge token --hash NAME` makes it. The name is the user. Several lines may have one name; `#` begins a comment line."},

	{Path: "auth.anonymous", Reloaded: true, kind: boolean(),
		Meaning: "Let clients in that show neither token nor passcode, as user `anonymous`. Where it is the only kind, what they show is not looked at. For trying, and where something else decides who can connect."},

	{Path: "journal.dir", kind: path(),
		Meaning: "Directory of the journal. None: in memory, and a restart forgets it."},
	{Path: "journal.max_age", kind: duration(time.Millisecond, sec, ever),
		Meaning: "Entries older than this are dropped."},
	{Path: "journal.max_bytes", kind: size(MiB, 1024*TiB),
		Meaning: "The oldest entries are dropped beyond this. On disk the file becomes about a third larger; in memory the process takes up to two and a half times as much."},
	{Path: "journal.latest.max_keys", kind: integer(1, 1_000_000_000),
		Meaning: "Conversations and channels; those unchanged for longest are dropped beyond this."},
	{Path: "journal.latest.max_age", kind: duration(time.Millisecond, sec, ever),
		Meaning: "Those unchanged for longer than this are dropped."},

	{Path: "ops.listen", kind: addressOrNone(),
		Meaning: "Address of `/healthz`, `/readyz` and `/metrics`. `\"\"`: none."},

	{Path: "include", List: true, Reloaded: true, kind: pattern(),
		Meaning: "Further files with `tables`, `rules` and `tests`, read in the byte order of their names as Mosquitto's `include_dir` does. A name without wildcards must be there."},
}

// keyAt returns the setting at path, nil when there is none.
func keyAt(path string) *Key {
	for i := range keys {
		if keys[i].Path == path {
			return &keys[i]
		}
	}
	return nil
}

// keyNamed returns the first setting whose last name is name, nil when there is none.
func keyNamed(name string) *Key {
	for i := range keys {
		if lastName(keys[i].Path) == name {
			return &keys[i]
		}
	}
	return nil
}

// lastName returns the part of a path that stands in the file.
func lastName(path string) string {
	return path[strings.LastIndexByte(path, '.')+1:]
}

func lastNames() []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = lastName(k.Path)
	}
	return names
}

// children returns the names that may stand under a section, "" for the top level.
func children(section string) []string {
	var names []string
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k.Path, section+".")
		if section == "" {
			rest, ok = k.Path, true
		}
		if name, _, _ := strings.Cut(rest, "."); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if section == "" {
		names = append(names, expressionKeys()...)
	}
	return names
}

// ruleKeys are the keys of a rule file, which the top level of config.yaml has as well.
var ruleKeys = []string{"tables", "rules", "tests"}

// accessKey is the key of config.yaml that says who may subscribe to what.
const accessKey = "access"

// expressionKeys are the keys at the top level that hold no settings.
func expressionKeys() []string { return append(slices.Clone(ruleKeys), accessKey) }
