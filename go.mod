module mqtt-stomp-bridge

go 1.26.0

require (
	github.com/MicahParks/jwkset v0.11.4 // published key sets: fetching and reading them
	github.com/bufbuild/protocompile v0.14.1 // .proto files: compiled as they stand, every mistake with its place
	github.com/eclipse/paho.golang v0.23.0 // the MQTT 5 client: manual acknowledgement, sessions, reconnects
	github.com/evanw/esbuild v0.28.2 // the web pages' bundles, at build time only
	github.com/expr-lang/expr v1.17.8 // the rules' expressions: compiled, without dependencies, built-ins by allow-list
	github.com/fsnotify/fsnotify v1.10.1 // reload when a file changes
	github.com/fxamacker/cbor/v2 v2.10.0 // payloads in CBOR: checked as a whole before memory is taken
	github.com/golang-jwt/jwt/v5 v5.3.1 // tokens: parsing and signatures
	github.com/google/go-cmp v0.7.0 // tests: differences of structs
	github.com/google/uuid v1.6.0 // ids: parsing, and version 5
	github.com/gorilla/websocket v1.5.3 // the WebSocket handshake and reading
	github.com/mitchellh/mapstructure v1.5.0 // settings into typed structs
	github.com/mochi-mqtt/server/v2 v2.7.9 // the demo's broker, and quick tests'
	github.com/nats-io/nats.go v1.55.0 // NATS: the journal that replicas share
	github.com/nats-io/nkeys v0.4.16 // keys of users of NATS, in tests
	github.com/pires/go-proxyproto v0.15.0 // PROXY headers, version 1 and 2
	github.com/prometheus/client_golang v1.25.0 // /metrics
	github.com/spf13/cobra v1.10.2 // the command line: help, completions
	github.com/spf13/pflag v1.0.10 // its flags
	github.com/vmihailenco/msgpack/v5 v5.4.1 // payloads in MessagePack: the heads of its values
	github.com/youmark/pkcs8 v0.0.0-20240726163527-a2c0da244d78 // encrypted keys of client certificates
	go.etcd.io/bbolt v1.5.0 // the durable journal: one file, synced transactions, whole after a kill
	go.uber.org/goleak v1.3.0 // tests: no goroutine left over
	go.yaml.in/yaml/v4 v4.0.0 // YAML as nodes with places and styles
	google.golang.org/protobuf v1.36.12 // payloads of Protocol Buffers: messages that are known at run time
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/klauspost/compress v1.20.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/rs/xid v1.4.0 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)
