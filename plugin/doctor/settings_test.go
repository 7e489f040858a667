package doctor_test

import (
	"testing"

	"mqtt-stomp-bridge/plugin/doctor"
)

func TestSettings(t *testing.T) {
	tests := []struct {
		name    string
		yaml    string
		environ []string
		want    []string
	}{
		{"at their defaults", rules, nil, []string{"warn  journal.dir: the journal is in memory", "set:   DIR/config.yaml: journal.dir: a directory", "!session_expiry: ", "!keepalive", "!origins", "!plain"}},
		{"good", "journal: {dir: journal}\n" + rules, nil, []string{"!warn  journal", "!server.listen", "!ops.listen"}},
		{"a line is named", "\njournal:\n  max_age: 48h\nbroker:\n  session_expiry: 1h\n" + rules, nil,
			[]string{"warn  session_expiry: broker.session_expiry is 1h0m0s, journal.max_age 48h0m0s", "set:   DIR/config.yaml:5: broker.session_expiry: 48h0m0s"}},
		{"a variable is named", "broker: {session_expiry: 1h}\n" + rules, []string{"BRIDGE_BROKER_SESSION_EXPIRY=2h"},
			[]string{"broker.session_expiry is 2h0m0s", "set:   BRIDGE_BROKER_SESSION_EXPIRY: 24h0m0s"}},
		{"keepalive", "broker: {keepalive: 10m}\n" + rules, nil, []string{"note  keepalive: broker.keepalive is 10m0s", "is noticed after 20m0s at the latest"}},
		{"any origin", "server: {allowed_origins: '*'}\n" + rules, nil, []string{"warn  allowed_origins: "}},
		{"anybody", "auth: {anonymous: true}\n" + rules, nil, []string{"warn  auth.anonymous: "}},
		{"open listeners", "server: {listen: ':0'}\nops: {listen: '0.0.0.0:0'}\n" + rules, nil, []string{"note  server.listen: :0 without TLS", "note  ops.listen: 0.0.0.0:0 is open"}},
		{"no ops", "ops: {listen: ''}\n" + rules, nil, []string{"!ops.listen"}},
		{"a password in the open", "broker: {username: me}\n" + rules, []string{"BRIDGE_BROKER_PASSWORD=hush", "BRIDGE_BROKER_URL=mqtt://broker.invalid"},
			[]string{"note  plain: the password goes to mqtt://broker.invalid:1883 as plain text", "!hush"}},
		{"no rules", "{}\n", nil, []string{"fail  rules: there are none"}},
		{"no secret", rules, []string{"BRIDGE_AUTH_JWT_SECRET="}, []string{"fail  auth: there is no secret", "means: the bridge does not start"}},
		{"insecure", "broker: {insecure: true}\n" + rules, []string{"BRIDGE_BROKER_URL=mqtts://127.0.0.1:1"}, []string{"warn  insecure: "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out, counts := look{yaml: test.yaml, environ: test.environ}.run(t)
			holds(t, out, test.want...)
			if counts[doctor.Fail] == 0 {
				t.Error("no finding of level fail, though there is no broker")
			}
		})
	}
}
