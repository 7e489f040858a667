// A module of its own, so that what only measuring needs is not required of those who use the bridge.
module mqtt-stomp-bridge/examples/load

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0 // tests: differences of structs
	github.com/gorilla/websocket v1.5.3 // the loop's handshake
	go.uber.org/goleak v1.3.0 // tests: no goroutine left over
	golang.org/x/sys v0.48.0 // the CPU clock of another process
	mqtt-stomp-bridge v0.0.0
)

require (
	github.com/MicahParks/jwkset v0.11.4 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mochi-mqtt/server/v2 v2.7.9 // indirect
	github.com/rs/xid v1.4.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace mqtt-stomp-bridge => ../..
