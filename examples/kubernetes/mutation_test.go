package kubernetes_test

import (
	"strings"
	"testing"
)

// A mutation is a mistake in what is sent, and a part of the problem that it must be found by.
type mutation struct{ old, mistake, want string }

// Mistakes in what one bridge and several have in common.
var common = []mutation{
	{"  replicas: ", "  replicaz: ", `unknown field "replicaz"`},
	{"terminationGracePeriodSeconds: 20", "terminationGracePeriodSeconds: soon", "cannot unmarshal"},
	{"kind: Ingress", "kind: Ingres", `kind "networking.k8s.io/v1 Ingres"`},
	{"apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n", `kind "policy/v1beta1 PodDisruptionBudget"`},
	{"      periodSeconds: 5\n", "      periodSeconds: 5\n          periodSeconds: 6\n", `"periodSeconds" already set`},
	{"  namespace: mqtt-stomp-bridge\n", "  namespace: other\n", `in the namespace "other"`},

	{"mqtt-stomp-bridge:1.0.0", "mqtt-stomp-bridge:latest", "has no version"},
	{"mqtt-stomp-bridge:1.0.0", "mqtt-stomp-bridge", "has no version"},
	{"registry.example.org/mqtt-stomp-bridge:1.0.0", "registry.example.org:5000/mqtt-stomp-bridge", "has no version"},
	{"value: :8080", "value: :8081", `listens on ":8081"`},
	{`listen: ":9464"`, "listen: 127.0.0.1:9464", `listens on "127.0.0.1:9464"`},
	{"memory: 1Gi", "memory: 256Mi", "the limit of memory is 256Mi"},
	{"            cpu: 250m\n", "", "no CPU is requested"},

	{"runAsNonRoot: true", "runAsNonRoot: false", "not restricted: "},
	{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "not restricted: "},
	{"            - ALL\n", "            - CHOWN\n", "not restricted: "},
	{"type: RuntimeDefault", "type: Unconfined", "not restricted: "},
	{"runAsUser: 10001", "runAsUser: 1883", "the user is 1883"},
	{"fsGroup: 10001", "fsGroup: 1883", "the group of the volumes is 1883"},
	{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "the root file system can be written to"},
	{"automountServiceAccountToken: false", "automountServiceAccountToken: true", "a token for the API server"},
	{"enableServiceLinks: false", "enableServiceLinks: true", "variables for Services"},

	{"            path: /readyz\n", "            path: /healthz\n", "the readiness probe asks /healthz"},
	{"livenessProbe:\n          failureThreshold: 3\n          httpGet:\n            path: /healthz", "livenessProbe:\n          failureThreshold: 3\n          httpGet:\n            path: /readyz", "the liveness probe asks /readyz"},
	{"port: ops\n          periodSeconds: 5", "port: clients\n          periodSeconds: 5", "the readiness probe asks port clients"},
	{"failureThreshold: 60", "failureThreshold: 5", "a start may take 10 s"},
	{"startupProbe:", "startProbe:", `unknown field "startProbe"`},

	{"mountPath: /etc/mqtt-stomp-bridge\n          name: config", "mountPath: /etc/mqtt-stomp-bridge\n          name: configuration", `there is no volume "configuration"`},
	{"mountPath: /etc/mqtt-stomp-bridge\n", "mountPath: /etc/bridge\n", "is no ConfigMap's"},
	{"mountPath: /etc/mqtt-stomp-bridge\n", "mountPath: /etc/mqtt-stomp-bridge\n          subPath: config.yaml\n", "is a subPath"},
	{"configMap:\n          name: mqtt-stomp-bridge", "configMap:\n          name: other", `is of the ConfigMap "other"`},
	{"secretName: mqtt-stomp-bridge", "secretName: other", `is of the Secret "other"`},
	{"defaultMode: 288", "defaultMode: 420", "everybody in the pod may read"},
	{"mountPath: /run/secrets/mqtt-stomp-bridge", "mountPath: /run/secrets/bridge", "is no file of the Secret"},
	{"secrets/mqtt-stomp-bridge/jwt_secret", "secrets/mqtt-stomp-bridge/jwt", "config.yaml: "},

	{"  selector:\n    app.kubernetes.io/name: mqtt-stomp-bridge", "  selector:\n    app.kubernetes.io/name: bridge", "the Service mqtt-stomp-bridge does not select"},
	{"  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: mqtt-stomp-bridge", "  podSelector:\n    matchLabels:\n      app: bridge", " does not select the pods"},
	{"  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: mqtt-stomp-bridge", "  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: bridge", "does not select its pods"},
	{"targetPort: clients", "targetPort: client", `leads its port 8080 to "client"`},
	{"port: 9464\n    targetPort", "port: 9465\n    targetPort", `leads its port 9465`},
	{"clusterIP: None", `clusterIP: ""`, "Prometheus does not find each pod"},
	{"publishNotReadyAddresses: true", "publishNotReadyAddresses: false", "Prometheus does not find each pod"},

	{`proxy-read-timeout: "90"`, `proxy-read-timeout: "20"`, `proxy-read-timeout is "20"`},
	{`proxy-send-timeout: "90"`, `proxy-send-timeout: 90s`, `proxy-send-timeout is "90s"`},
	{"path: /ws.communication", "path: /ws", "the Ingress leads /ws here"},
	{"pathType: Exact", "pathType: Prefix", "the Ingress leads"},
	{"- host: inbox.example.org", "- host: other.example.org", `"other.example.org" has no certificate`},
	{"              name: clients\n", "              name: ops\n", "the Ingress does not lead to the clients' port"},
	{"            name: mqtt-stomp-bridge\n            port:", "            name: other\n            port:", "the Ingress does not lead to the clients' port"},

	{"    - port: clients\n      protocol: TCP", "    - port: client\n      protocol: TCP", `lets in to "client"`},
	{"    - port: ops\n      protocol: TCP", "    - port: clients\n      protocol: TCP", "no NetworkPolicy lets anybody in to ops"},
	{"  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: monitoring\n    ports:", "  - ports:", "lets everybody in"},
	{"  policyTypes:\n  - Ingress\n  - Egress", "  policyTypes:\n  - Egress", "no NetworkPolicy keeps anybody out"},
	{"port: 53\n      protocol: UDP", "port: 5353\n      protocol: UDP", `out to UDP 53 in "kube-system"`},
	{"port: 1883\n", "port: 8883\n", `out to TCP 1883 in "mqtt"`},
	{"metadata.name: mqtt\n      podSelector", "metadata.name: mosquitto\n      podSelector", `out to TCP 1883 in "mqtt"`},
	{"mqtt://mosquitto.mqtt.svc:1883", "mqtts://mosquitto.mqtt.svc", `out to TCP 8883 in "mqtt"`},
	{"port: 1883\n      protocol: TCP", "port: 1883\n      protocol: TCP\n    - port: 9001\n      protocol: TCP", "which it does not need"},

	{"terminationGracePeriodSeconds: 20", "terminationGracePeriodSeconds: 5", "a bridge has 5s to end"},
	{"jobLabel: app.kubernetes.io/name", "jobLabel: app", `the job is ""`},
	{"  - interval: 5s\n    path: /metrics\n    port: ops", "  - interval: 5s\n    path: /metrics\n    port: http", `the ServiceMonitor asks port "http"`},
	{"      app.kubernetes.io/component: ops\n      app.kubernetes.io/name", "      app.kubernetes.io/name", "the ServiceMonitor selects 2 Services"},
	{"mqtt_stomp_bridge_ready == 0", "mqtt_stomp_bridge_ready == 1", "the alerts are not those of"},

	{"queue: /queue/message", "queue: /queue/messages", "config.yaml: "},
	{"delivery_state: DELIVERED", "delivery_state: FAILED", `the test "a customer writes" of rules.yaml fails`},
	{"trusted_proxies:", "trusted_proxy:", `unknown key "trusted_proxy"`},
	{"include: rules.yaml", "include: other.yaml", "config.yaml: "},
}

// Mistakes that only one bridge can have.
var single = []mutation{
	{"kind: StatefulSet", "kind: StatefulSett", `kind "apps/v1 StatefulSett"`},
	{"replicas: 1", "replicas: 2", "a StatefulSet of 2 bridges has a journal for one"},
	{"serviceName: mqtt-stomp-bridge-ops", "serviceName: other", `names the Service "other"`},
	{"storage: 1Gi", "storage: 256Mi", "smaller than the journal may grow"},
	{"mountPath: /data", "mountPath: /var/data", `journal.dir, "/data", is on no volume`},
	{"        - mountPath: /data\n          name: data\n", "", `the volume "data" is not mounted`},
}

// Mistakes that only several bridges can have.
var several = []mutation{
	{"maxSurge: 0", "maxSurge: 1", "a rollout does not take one bridge at a time"},
	{"maxSurge: 0\n      maxUnavailable: 1", "maxSurge: 0\n      maxUnavailable: 2", "a rollout does not take one bridge at a time"},
	{"  replicas: 3", "  replicas: 1", "a Deployment of 1 bridges"},
	{"  maxUnavailable: 1\n  selector", "  maxUnavailable: 2\n  selector", "draining nodes"},
	{"  maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: mqtt", "  maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: nats", "the PodDisruptionBudget does not select"},
	{"whenUnsatisfiable: DoNotSchedule", "whenUnsatisfiable: ScheduleAnyway", "bridges may share a node"},
	{"topologyKey: kubernetes.io/hostname", "topologyKey: kubernetes.io/host", "bridges may share a node"},
	{"          matchLabels:\n            app.kubernetes.io/name: mqtt-stomp-bridge\n        maxSkew: 1\n        topologyKey: kubernetes.io/hostname", "          matchLabels:\n            app.kubernetes.io/name: x\n        maxSkew: 1\n        topologyKey: kubernetes.io/hostname", "the spread over kubernetes.io/hostname"},
	{"sleep:\n              seconds: 5", "sleep:\n              seconds: 15", "may need 25s"},
	{"        lifecycle:\n          preStop:\n            sleep:\n              seconds: 5\n", "", "clients that come back may be sent"},
	{"port: 4222\n", "port: 4223\n", `out to TCP 4222 in "nats"`},
	{"port: 8222\n", "port: 8223\n", `out to TCP 8222 in "nats"`},
	{"username: bridge\n", "username: bridge\n        id: bridge-1\n", `all bridges have the id "bridge-1"`},
	{"/nats_password", "/nats", "config.yaml: "},
}

// The checks find each of these mistakes: none of them is one that cannot fail.
func TestChecksFindMistakes(t *testing.T) {
	for directory, own := range map[string][]mutation{"single": single, "replicas": several} {
		text := build(t, directory, "monitoring")
		for _, m := range append(own, common...) {
			if directory == "single" && strings.Contains(m.old, "policy/v1\n") {
				continue // one bridge has no budget
			}
			t.Run(directory+" "+m.mistake, func(t *testing.T) {
				if !strings.Contains(text, m.old) {
					t.Fatalf("there is no %q", m.old)
				}
				problems := problemsOf(t, strings.Replace(text, m.old, m.mistake, 1))
				if !strings.Contains(problems, m.want) {
					t.Errorf("got %q, want %q", problems, m.want)
				}
			})
		}
	}
}

func problemsOf(t *testing.T, text string) string {
	t.Helper()
	m, err := decode(text)
	if err != nil {
		return err.Error()
	}
	return strings.Join(check(t, m), "\n")
}
