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
	own      bool   // replicas with different values do the same
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
		{"log", "The log, written to standard error."},
		{"broker", "The MQTT 5 broker and the session with it."},
		{"server", "The STOMP-over-WebSocket endpoint for clients."},
		{"server.limits", "Limits on what clients may use. A session that exceeds a limit ends."},
		{"auth", "Who may connect. Enable one kind or several; they are tried in the order listed here, and the first that accepts decides. At least one is required: `jwt` with a secret or public keys, `broker`, `tokens_file` or `anonymous`. A client may also send a token as the `passcode` of CONNECT; `login` must then be empty or the token's user."},
		{"auth.jwt", "Clients send a JSON Web Token. Its issuer shares a secret with the bridge or publishes the keys that verify it. One of `secret`, `secret_file`, `public_key_file` and `jwks_url` is required. If several providers issue tokens, `auth.jwt` is a list, and each element has these keys. A token from an issuer that some of them name is checked by those alone, any other token by those that name no issuer. For lines to write for Keycloak, Auth0, Entra and Cognito, see [providers](../../examples/providers.md). A claim is named by its name or by a path: `realm_access.roles` is `roles` in `realm_access`. A name in a path that has a dot stands in quotes: `'resource_access.\"my.client\".roles'`."},
		{"auth.broker", "Clients send a broker login and its password as `login` and `passcode` of CONNECT; the bridge asks the broker whether it accepts them. After too many failures, further attempts have to wait: half a minute for a login at one address (IPv6: a /64) after 10 failures, one second for an address after 50. After 200 failures of a login at any addresses, it has to wait everywhere but where it was accepted in the last 30 days. A login may also come as HTTP's `Authorization: Basic`; the login in CONNECT takes precedence. A passcode that is a token of another kind is never sent to the broker."},
		{"journal", "The journal of mapped entries. Clients that were away resume from it."},
		{"journal.nats", "A journal that several bridges share, each a replica: a stream of NATS JetStream. Where `url` is given, `dir` is not used. One of them reads from the broker, all serve clients, and a client resumes at any. `broker.client_id`, `broker.base_topic`, rules and retention must be the same everywhere. See [replicas](../../examples/replicas/README.md)."},
		{"journal.latest", "The newest entry of each conversation and channel, for `snapshot: latest`. It is kept beyond `max_age` and `max_bytes`."},
		{"ops", "The endpoint for operators: health, metrics and the console."},
		{"ops.login", "Who may use the console and see users and events. Where a key of this section is given, the console, `/sessions`, `/memory`, `/explain` and `/reread` demand a login, on the bridge's own machine too; `/healthz`, `/readyz` and `/metrics` never do. Without one, the console is open only on a loopback address of `ops.listen`, for requests that come from the bridge's own machine and through no proxy. A browser gets a page to log in, for 12 hours at most; other clients send `Authorization: Basic` or `Authorization: Bearer`. Passwords and tokens cross the network in clear text unless [a proxy with TLS](../../examples/nginx/README.md#the-console) is in front."},
	}
}

const (
	sec  = time.Second
	hour = time.Hour
	ever = 10 * 8760 * hour
)

// Keys returns all settings in the order of config.yaml. It is the one table behind the loader, the
// schema and the reference.
func Keys() []Key {
	return slices.Clone(keys)
}

// What the bridge puts behind a setting's text, at its longest.
const (
	clientSuffix     = "-retained"
	deadLetterLevels = "/dead-letter/................................................................"
)

var keys = []Key{
	{Path: "log.level", own: true, Reloaded: true, kind: level(),
		Meaning: "Messages below this level are not logged. `debug` logs every event with what each rule made of it, and every message that a client does not get, but never a payload or a token."},
	{Path: "log.format", own: true, kind: oneOf("text", "json"),
		Meaning: "`text`: one line of `key=value` pairs per record. `json`: one JSON object per record."},

	{Path: "broker.url", List: true, kind: brokerURL(),
		Meaning: "URL of the broker. If you give several, the bridge tries them in turn. Default port: 1883, or 8883 with TLS (`mqtts`, `ssl`)."},
	{Path: "broker.client_id", kind: name().with(clientSuffix),
		Meaning: "Client id of the session that the broker keeps while the bridge is away. It must be unique at the broker. The sending connection adds `-out`, the one that reads retained messages `-retained`."},
	{Path: "broker.username", kind: text(),
		Meaning: "User name. Without one, the bridge connects anonymously."},
	{Path: "broker.password", Secret: true, kind: secret(),
		Meaning: "Password. Better: put it into `password_file` or the environment variable."},
	{Path: "broker.password_file", kind: path(),
		Meaning: "File with the password; read again before each connect."},
	{Path: "broker.ca_file", kind: path(),
		Meaning: "PEM file of CA certificates used to verify the broker. Default: the system's."},
	{Path: "broker.cert_file", kind: path(),
		Meaning: "PEM file with the bridge's client certificate, if the broker requires one; needs `key_file`."},
	{Path: "broker.key_file", kind: path(),
		Meaning: "PEM file with the private key of `cert_file`. An encrypted one needs `key_password` or `key_password_file`, and PKCS #8 form (`BEGIN ENCRYPTED PRIVATE KEY`)."},
	{Path: "broker.key_password", Secret: true, kind: secret(),
		Meaning: "Password of an encrypted `key_file`. Better: put it into `key_password_file` or the environment variable."},
	{Path: "broker.key_password_file", kind: path(),
		Meaning: "File with the password of `key_file`; read again before each connect."},
	{Path: "broker.server_name", kind: text(),
		Meaning: "Name that the broker's certificate must have. Default: the host in `url`."},
	{Path: "broker.insecure", kind: boolean(),
		Meaning: "Accept any certificate from the broker. For testing only: anyone on the network path can read and change everything."},
	{Path: "broker.keepalive", kind: duration(sec, sec, 18*hour),
		Meaning: "MQTT keep-alive: the longest silence between the bridge and the broker. A dead connection is detected after twice this time at the latest."},
	{Path: "broker.session_expiry", kind: duration(sec, sec, ever),
		Meaning: "How long the broker keeps subscriptions and queued events while the bridge is away. Mosquitto's `max_queued_messages` limits the queue too."},
	{Path: "broker.base_topic", kind: baseTopic().with(deadLetterLevels),
		Meaning: "The bridge publishes its state to `<base_topic>/state` and dead letters to `<base_topic>/dead-letter/<rule>`. Rules never match topics below it, nor the dead letters of other bridges. Give each bridge at a broker its own base topic."},
	{Path: "broker.status", kind: boolean(),
		Meaning: "Publish the bridge's state, retained, to `<base_topic>/state`, and have the broker publish `offline` there when the bridge is gone. `false` for a broker without retained messages."},

	{Path: "server.listen", own: true, kind: address(),
		Meaning: "Address to listen on. Without a host (`:8080`): all interfaces."},
	{Path: "server.path", kind: urlPath(),
		Meaning: "Path of the WebSocket endpoint."},
	{Path: "server.allowed_origins", List: true, Reloaded: true, kind: allowedOrigin(),
		Meaning: "Origins of web pages that may connect, besides the endpoint's own origin: `https://app.example.org`, `https://*.example.org`, or `*` for all. `http://localhost:*` stands for every port; any program that serves pages on the user's machine can then connect as the user. `\"null\"` (in quotes) and `file://` are the origins of pages in apps, such as those made with Cordova or Electron; many other pages have them too: any file that the user opens, any sandboxed frame of any site. Name them only where each client must show a token that other pages do not have. Clients outside a browser send no origin and are not restricted."},
	{Path: "server.hosts", List: true, Reloaded: true, kind: servedHost(),
		Meaning: "Names under which clients reach the endpoint: `inbox.example.org`, `*.example.org`, `10.1.2.3`, without a port. Other `Host` headers are refused. Without it, any name is accepted. But with `auth.anonymous`, a page of the endpoint's own origin is then accepted only if the endpoint is reached by an address, a name without a dot or one in a private domain (`.localhost`, `.internal`, `.svc`, `.cluster.local`): the owner of any other name can have it resolve to the endpoint (DNS rebinding)."},
	{Path: "server.heartbeat", kind: duration(time.Millisecond, sec, hour),
		Meaning: "STOMP heart-beat interval that the server offers and requests. The server sends something at least this often, also to clients that ask for less. A client may be silent for three times as long."},
	{Path: "server.cert_file", Reloaded: true, kind: path(),
		Meaning: "PEM file with the server's certificate chain; needs `key_file`. Without it, the server speaks plain `ws://`, for use behind a proxy."},
	{Path: "server.key_file", Reloaded: true, kind: path(),
		Meaning: "PEM file with the private key of `cert_file`."},

	{Path: "server.client_ca_file", kind: path(),
		Meaning: "PEM file of CA certificates used to verify client certificates, which clients must then present besides their token; needs `cert_file`. Without it, the server requests no client certificate."},
	{Path: "server.trusted_proxies", List: true, kind: network(),
		Meaning: "Addresses or networks of proxies in front of the bridge, such as `10.0.0.0/8`. The bridge trusts their X-Forwarded-For header, or with `proxy_protocol` their PROXY header, for logs and for limits per address."},

	{Path: "server.proxy_protocol", kind: boolean(),
		Meaning: "The proxies in `trusted_proxies` begin each connection with a PROXY header, version 1 or 2, as HAProxy (`send-proxy-v2`) and AWS network load balancers do. The address in it counts as the client's. A connection of theirs without one is refused, and so is one with a header from any other address. TLS of the server comes behind the header."},

	{Path: "server.limits.sessions", kind: integer(1, 10_000_000),
		Meaning: "Clients connected at one time. Connections count from the first byte on. The limit of open files (`ulimit -n`) should be higher by 300."},
	{Path: "server.limits.sessions_per_user", kind: integer(0, 10_000_000),
		Meaning: "Clients connected at one time with the same user. `0`: no limit."},
	{Path: "server.limits.sessions_per_address", kind: integer(0, 10_000_000),
		Meaning: "Clients connected at one time from the same address (IPv6: from the same /64). Behind a proxy that is not in `trusted_proxies`, all clients have the proxy's address. `0`: no limit."},
	{Path: "server.limits.on_limit", kind: oneOf("refuse", "end_oldest"),
		Meaning: "What happens at `sessions_per_user` and `sessions_per_address`. `refuse`: the newcomer is refused. `end_oldest`: the newcomer is let in once its token is accepted, and the oldest session of the user or the address ends with the ERROR `replaced by a newer session of the same user` (or `address`); a client should not reconnect after that."},
	{Path: "server.limits.connects_per_second", kind: integer(0, 10_000_000),
		Meaning: "New connections per second; also the largest burst after a pause. Half of the burst is reserved for addresses that connect rarely, so that a busy address cannot shut them out. `0`: no limit."},
	{Path: "server.limits.subscriptions", kind: integer(1, 1000),
		Meaning: "Subscriptions of one session at one time."},
	{Path: "server.limits.handshake_timeout", kind: duration(time.Millisecond, 100*time.Millisecond, hour),
		Meaning: "Time from the connection to a valid CONNECT frame. The request that opens the WebSocket may take 5 seconds at most."},
	{Path: "server.limits.write_timeout", kind: duration(time.Millisecond, 100*time.Millisecond, hour),
		Meaning: "Longest time that one write to a client may take. A client that merely lags stays connected."},
	{Path: "server.limits.unread_bytes", kind: size(MiB, 1024*GiB),
		Meaning: "What is kept in memory, of all sessions together, of writes that their clients have not taken yet; what several sessions share counts once. Beyond this, those sessions end that keep the most and have waited for a second or more. They can resume."},
	{Path: "server.limits.unauthenticated_bytes", kind: size(KiB, GiB),
		Meaning: "What a client may send before its token is accepted, WebSocket frames without content included."},
	{Path: "server.limits.outgoing_bytes", kind: size(KiB, GiB),
		Meaning: "Replies waiting for a client that does not read. Beyond this, the server reads nothing more from the client. Messages of its subscriptions wait in the journal."},
	{Path: "server.limits.message", kind: size(4*KiB, GiB),
		Meaning: "Size of one MESSAGE frame that the server sends, of which the headers count as 1 KiB. An event that becomes a longer message is a dead letter. Keep it below what your clients take."},
	{Path: "server.limits.header_line", kind: size(256, MiB),
		Meaning: "Length of one header line of a STOMP frame. A token must fit."},
	{Path: "server.limits.headers", kind: integer(8, 10_000),
		Meaning: "Headers of one STOMP frame."},
	{Path: "server.limits.body", kind: size(0, GiB),
		Meaning: "Body of one STOMP frame from a client."},

	{Path: "auth.groups_claim", Reloaded: true, kind: claim(),
		Meaning: "Claim with the user's groups, for the `audience` of rules: text, a whole number, or a list of these. It may be a path, such as `realm_access.roles`. `token --explain FILE` shows which groups a token has, and so does the log at level debug."},
	{Path: "auth.groups_separator", Reloaded: true, kind: text(),
		Meaning: "What separates the groups in a claim that is one text: `','` or `' '`. Without it, the text is one group."},
	{Path: "auth.jwt.secret", List: true, Secret: true, Reloaded: true, kind: secret(),
		Meaning: "The shared secret. List several during a rotation: a token may be signed with any of them. HS256 needs 32 bytes or more (HS384: 48, HS512: 64). Better: put it into `secret_file` or the environment variable, which takes one secret."},
	{Path: "auth.jwt.secret_file", List: true, Reloaded: true, kind: path(),
		Meaning: "File with the secret; a line break at its end is ignored."},
	{Path: "auth.jwt.secret_encoding", Reloaded: true, kind: oneOf("utf8", "base64"),
		Meaning: "How the secret is written. `utf8`: the characters are the secret. `base64`: the decoded bytes are the secret."},
	{Path: "auth.jwt.public_key_file", List: true, Reloaded: true, kind: path(),
		Meaning: "PEM file with one or more public keys or certificates; a token may be signed with any of them. RSA with 2048 bits or more, ECDSA on P-256, P-384 or P-521, or Ed25519. Only the key of a certificate is used."},
	{Path: "auth.jwt.jwks_url", Reloaded: true, kind: keysURL(),
		Meaning: "URL of a JSON Web Key Set; `https`, or `http` on this machine. The bridge fetches it every 10 minutes, and when a token names an unknown key, at most every 10 seconds. It is not ready until it has fetched the set once. A key with an `alg` is used for that algorithm only. A key that cannot be used is ignored and logged. When a key is removed from the set, its sessions end with 401. While the server is unreachable or its set is empty, the known keys stay valid."},
	{Path: "auth.jwt.jwks_insecure_http", Reloaded: true, kind: boolean(),
		Meaning: "Accept `http` in `jwks_url` from any host. Only for a network where nobody else is, such as that of a compose file: whoever can change the answer can sign tokens. Every start logs a warning."},
	{Path: "auth.jwt.jwks_ca_file", Reloaded: true, kind: path(),
		Meaning: "PEM file of CA certificates used to verify the server of `jwks_url`. Default: the system's."},
	{Path: "auth.jwt.algorithm", List: true, Reloaded: true, kind: oneOf(auth.Algorithms()...),
		Meaning: "Accepted signature algorithms, whatever the token claims. They must match the keys: HS for secrets; RS, PS, ES and EdDSA for public keys."},
	{Path: "auth.jwt.user_claim", Reloaded: true, kind: claim(),
		Meaning: "Claim with the user's name, which may be a path. For Airy Core's tokens: `user_id`."},
	{Path: "auth.jwt.user_prefix", Reloaded: true, kind: text(),
		Meaning: "Text before the name of each user of these tokens, such as `id:`, so that users with equal names of other kinds or providers are not taken for them. `audience`, `access` and limits per user see the name with the prefix."},
	{Path: "auth.jwt.groups_claim", Reloaded: true, kind: claim(),
		Meaning: "Like `auth.groups_claim`, for these tokens. Default: that."},
	{Path: "auth.jwt.groups_separator", Reloaded: true, kind: text(),
		Meaning: "Like `auth.groups_separator`, for these tokens. Default: that."},
	{Path: "auth.jwt.issuer", List: true, Reloaded: true, kind: oneWord(),
		Meaning: "What the token's `iss` must be; if you give several, one of them. Without it, any is accepted."},
	{Path: "auth.jwt.audience", List: true, Reloaded: true, kind: oneWord(),
		Meaning: "What the token's `aud` must equal or contain; if you give several, one of them. Without it, any is accepted."},
	{Path: "auth.jwt.required_claims", List: true, Reloaded: true, kind: requiredClaim(),
		Meaning: "Further claims that a token must have, each as `CLAIM=VALUE`: `tenant=acme`, `realm_access.roles=chat`. If the claim is a list, it must contain the value."},
	{Path: "auth.jwt.leeway", Reloaded: true, kind: duration(time.Millisecond, 0, hour),
		Meaning: "Tolerated clock difference when checking `nbf` and `iat`. `exp` has no leeway."},
	{Path: "auth.jwt.allow_no_expiry", Reloaded: true, kind: boolean(),
		Meaning: "Accept tokens without `exp`. Their sessions never expire."},

	{Path: "auth.broker.enabled", Reloaded: true, kind: boolean(),
		Meaning: "Accept clients that the broker accepts. The bridge asks it with the connection settings of `broker` and a new client id each time. The broker must refuse unknown logins: if it accepts any login, the bridge notices and lets nobody in."},
	{Path: "auth.broker.cache", Reloaded: true, kind: duration(time.Millisecond, 0, hour),
		Meaning: "How long the bridge accepts a correct password again without asking the broker. After a change, the old password works for as long. `0s`: always ask."},
	{Path: "auth.broker.max_session", Reloaded: true, kind: duration(time.Millisecond, 0, ever),
		Meaning: "A session ends after this time, so that a login that the broker no longer accepts does not stay connected. `0s`: never."},
	{Path: "auth.broker.user_prefix", Reloaded: true, kind: text(),
		Meaning: "Text before the login in the name of each user, such as `mqtt:`, so that nobody takes a login for a token's user of the same name."},

	{Path: "auth.tokens_file", Reloaded: true, kind: path(),
		Meaning: "File with static tokens for services: one line `NAME:HASH` per token, with the SHA-256 of the token in hexadecimal, as `mqtt-stomp-bridge token --hash NAME` prints it. The name is the user. Several lines may have the same name. A line that begins with `#` is a comment."},

	{Path: "auth.anonymous", Reloaded: true, kind: boolean(),
		Meaning: "Accept clients that send neither token nor passcode, as user `anonymous`, which no other client can then be. If this is the only kind enabled, credentials are not checked at all. For testing, or where something else controls who can connect."},

	{Path: "journal.dir", kind: path(),
		Meaning: "Directory of the journal. Without it, the journal is in memory and lost at a restart."},
	{Path: "journal.nats.url", own: true, List: true, kind: natsURL(),
		Meaning: "URL of the NATS servers, which need JetStream; name all of a cluster. Default port: 4222. The bridge creates the stream `<name>-log` and the bucket `<name>-lead`."},
	{Path: "journal.nats.name", kind: natsName(),
		Meaning: "Name of the journal. It must be the same at all replicas, and another one for each set of replicas."},
	{Path: "journal.nats.replicas", kind: integer(1, 5),
		Meaning: "How many NATS servers keep the stream: 3 survives the loss of one, 1 of none."},
	{Path: "journal.nats.id", own: true, kind: natsID(),
		Meaning: "Name of this replica, for logs and `/readyz`; each needs its own. Default: the host's name."},
	{Path: "journal.nats.username", kind: text(),
		Meaning: "User name at NATS."},
	{Path: "journal.nats.password_file", kind: path(),
		Meaning: "File with the password; read again before each connect."},
	{Path: "journal.nats.credentials_file", kind: path(),
		Meaning: "File with a NATS user's JWT and key (`.creds`), in place of a user name and password; read again before each connect."},
	{Path: "journal.nats.ca_file", kind: path(),
		Meaning: "PEM file of CA certificates used to verify the NATS servers. Default: the system's."},
	{Path: "journal.nats.cert_file", kind: path(),
		Meaning: "PEM file with the bridge's client certificate, if NATS requires one; needs `key_file`."},
	{Path: "journal.nats.key_file", kind: path(),
		Meaning: "PEM file with the private key of `cert_file`."},
	{Path: "journal.nats.server_name", kind: text(),
		Meaning: "Name that the NATS servers' certificates must have. Default: the host in `url`."},
	{Path: "journal.nats.monitor_url", List: true, kind: monitorURL(),
		Meaning: "URL of the NATS servers' monitoring, such as `http://nats:8222`. Only `doctor` uses it, to see whether the servers write to disk before they answer."},
	{Path: "journal.max_age", kind: duration(time.Millisecond, sec, ever),
		Meaning: "Older entries are dropped."},
	{Path: "journal.max_bytes", kind: size(MiB, 1024*TiB),
		Meaning: "Beyond this size, the oldest entries are dropped. The file on disk grows about a third larger; with a journal in memory, the process takes up to two and a half times as much."},
	{Path: "journal.latest.max_keys", kind: integer(1, 1_000_000_000),
		Meaning: "Number of conversations and channels to keep. Beyond it, those unchanged for longest are dropped."},
	{Path: "journal.latest.max_age", kind: duration(time.Millisecond, sec, ever),
		Meaning: "Conversations and channels unchanged for longer are dropped."},

	{Path: "ops.listen", own: true, kind: addressOrNone(),
		Meaning: "Address of `/console/`, `/healthz`, `/readyz`, `/metrics`, `/sessions`, `/memory` and `/explain`. `\"\"`: off."},
	{Path: "ops.hosts", own: true, List: true, kind: hostName(),
		Meaning: "Host names that this endpoint answers to, such as `bridge.example.org`. It always answers to addresses, to names without a dot or in a private domain (`.localhost`, `.internal`, `.svc`, `.cluster.local`), and to the host of `ops.listen`. Others get 421, so that a foreign web page cannot read it through DNS rebinding. `*`: answer to every name."},
	{Path: "ops.show_payloads", own: true, Reloaded: true, kind: boolean(),
		Meaning: "Let `/memory/NAME`, and `mqtt-stomp-bridge memory NAME`, show the keys and values that rules remember. They hold parts of payloads; `ops.login` says who may ask for them. `/memory` has the names and sizes without it. `/explain` then also shows the body and the audience of messages."},
	{Path: "ops.trail", own: true, kind: size(0, GiB),
		Meaning: "Memory for what became of recent events and sessions, which `mqtt-stomp-bridge explain` tells: three quarters for events, of about 100 bytes each, a quarter for sessions that have ended. It is taken as needed, and a restart forgets it. `0`: nothing is kept."},

	{Path: "ops.console", own: true, Reloaded: true, kind: boolean(),
		Meaning: "Serve the console at `/console/`. `false`: not even to those who may log in."},
	{Path: "ops.login.password_file", own: true, Reloaded: true, kind: path(),
		Meaning: "File of logins, as `mosquitto_passwd -c FILE NAME` makes it (hashes of the kind `sha512-pbkdf2`). Everybody in it may do everything here, so do not name the broker's own file. After too many failures, further tries have to wait, as with `auth.broker`. A session of the console ends when its login has left the file or has a new password."},
	{Path: "ops.login.required_claims", own: true, List: true, Reloaded: true, kind: requiredClaim(),
		Meaning: "Claims that an operator's token must have, each as `CLAIM=VALUE`, such as `role=operator`; if the claim is a list, it must contain the value. `auth.jwt` must accept the token too. A session of the console ends with its token."},

	{Path: "include", List: true, Reloaded: true, kind: pattern(),
		Meaning: "Further files with `tables`, `memory`, `rules` and `tests`, read in byte order of their names, like Mosquitto's `include_dir`. A name without wildcards must exist."},
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
var ruleKeys = []string{"tables", "memory", "rules", "tests"}

// accessKey is the key of config.yaml that says who may subscribe to what.
const accessKey = "access"

// expressionKeys are the keys at the top level that hold no settings.
func expressionKeys() []string { return append(slices.Clone(ruleKeys), accessKey) }
