package kubernetes_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	standards "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"mqtt-stomp-bridge/plugin/config"
)

// A checker takes down what is wrong.
type checker struct {
	manifests
	pods     workload
	config   *config.Config
	problems []string
}

// check returns what the API server would take and would not work.
func check(t *testing.T, m manifests) []string {
	t.Helper()
	w, err := m.pods()
	if err != nil {
		return []string{err.Error()}
	}
	c, found := m.loaded(t, w)
	k := &checker{manifests: m, pods: w, config: c}
	for _, p := range found {
		k.wrong("config.yaml: %s", p.Error())
	}
	if c == nil {
		return k.problems
	}
	for _, r := range c.Mapper.Test() {
		k.must(r.Problem == nil, "the test %q of rules.yaml fails", r.Name)
	}
	k.namespaces()
	k.container()
	k.privileges(t)
	k.probes()
	k.volumes()
	k.files()
	k.selectors()
	k.services()
	k.ingress()
	k.entering()
	k.leaving()
	k.number()
	k.shutdown()
	k.monitoring(t)
	return k.problems
}

func (k *checker) wrong(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

func (k *checker) must(condition bool, format string, args ...any) {
	if !condition {
		k.wrong(format, args...)
	}
}

func (k *checker) namespaces() {
	for _, o := range k.manifests {
		k.must(o.GetNamespace() == name, "%T %s is in the namespace %q", o, o.GetName(), o.GetNamespace())
	}
}

func (k *checker) container() {
	c := k.pods.bridge()
	_, tag, _ := strings.Cut(path.Base(c.Image), ":")
	k.must(tag != "" && tag != "latest", "the image %q has no version", c.Image)
	for _, p := range []struct{ name, listen string }{{"clients", k.config.Server.Listen}, {"ops", k.config.Ops.Listen}} {
		host, port, _ := net.SplitHostPort(p.listen)
		n, _ := k.pods.port(p.name)
		k.must(host == "" && port == strconv.Itoa(int(n)), "the bridge listens on %q, the container's port %s is %d", p.listen, p.name, n)
	}
	memory := c.Resources.Limits.Memory()
	k.must(!memory.IsZero() && c.Resources.Requests.Memory().Cmp(*memory) <= 0, "the limit of memory is %s, the request %s", memory, c.Resources.Requests.Memory())
	k.must(!c.Resources.Requests.Cpu().IsZero(), "no CPU is requested")
}

// privileges are no more than those that Kubernetes calls restricted, and fewer.
func (k *checker) privileges(t *testing.T) {
	t.Helper()
	evaluator, err := standards.NewEvaluator(standards.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := k.pods.template.Spec
	level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	if r := standards.AggregateCheckResults(evaluator.EvaluatePod(level, &k.pods.template.ObjectMeta, &spec)); !r.Allowed {
		k.wrong("not restricted: %s", r.ForbiddenDetail())
	}
	s, own := spec.SecurityContext, k.pods.bridge().SecurityContext
	if s == nil || own == nil {
		k.wrong("no security context")
		return
	}
	for what, id := range map[string]*int64{"user": s.RunAsUser, "group": s.RunAsGroup, "group of the volumes": s.FSGroup} {
		k.must(value(id, 0) == 10001, "the %s is %d", what, value(id, 0))
	}
	k.must(value(own.ReadOnlyRootFilesystem, false), "the root file system can be written to")
	k.must(!value(spec.AutomountServiceAccountToken, true), "the pod has a token for the API server")
	k.must(!value(spec.EnableServiceLinks, true), "the pod has variables for Services")
}

func (k *checker) probes() {
	c := k.pods.bridge()
	for _, p := range []struct {
		name, path string
		probe      *core.Probe
	}{{"startup", "/healthz", c.StartupProbe}, {"liveness", "/healthz", c.LivenessProbe}, {"readiness", "/readyz", c.ReadinessProbe}} {
		if p.probe == nil || p.probe.HTTPGet == nil {
			k.wrong("there is no %s probe", p.name)
			continue
		}
		k.must(p.probe.HTTPGet.Path == p.path, "the %s probe asks %s", p.name, p.probe.HTTPGet.Path)
		k.must(p.probe.HTTPGet.Port == intstr.FromString("ops"), "the %s probe asks port %s", p.name, &p.probe.HTTPGet.Port)
	}
	if s := c.StartupProbe; s != nil {
		k.must(s.PeriodSeconds*s.FailureThreshold >= 60, "a start may take %d s", s.PeriodSeconds*s.FailureThreshold)
	}
}

// volumes are there, all of them used, and no mount is one that kubelet does not update.
func (k *checker) volumes() {
	there := map[string]bool{} // volume -> mounted
	for _, v := range k.pods.template.Spec.Volumes {
		there[v.Name] = false
		if v.ConfigMap != nil {
			k.must(len(named[*core.ConfigMap](k.manifests, v.ConfigMap.Name).Data) > 0, "the volume %s is of the ConfigMap %q", v.Name, v.ConfigMap.Name)
		}
		if v.Secret != nil {
			k.must(v.Secret.SecretName == name, "the volume %s is of the Secret %q", v.Name, v.Secret.SecretName)
			k.must(value(v.Secret.DefaultMode, 0o644)&0o007 == 0, "everybody in the pod may read the Secret")
		}
	}
	for _, c := range k.pods.claims {
		there[c.Name] = false
		k.must(!c.Spec.Resources.Requests.Storage().IsZero(), "the claim %s has no size", c.Name)
		most := int64(k.config.Journal.MaxBytes)*4/3 + 64<<20
		k.must(c.Spec.Resources.Requests.Storage().Value() >= most, "the claim %s of %s is smaller than the journal may grow", c.Name, c.Spec.Resources.Requests.Storage())
	}
	for _, m := range k.pods.bridge().VolumeMounts {
		_, ok := there[m.Name]
		k.must(ok, "there is no volume %q", m.Name)
		k.must(m.SubPath == "" && m.SubPathExpr == "", "the mount %s is a subPath, which is not updated", m.Name)
		there[m.Name] = true
	}
	for v, mounted := range there {
		k.must(mounted, "the volume %q is not mounted", v)
	}
}

// files that the bridge reads and writes are in the volumes they belong to.
func (k *checker) files() {
	kinds := map[string]string{} // volume -> what it is
	for _, v := range k.pods.template.Spec.Volumes {
		switch {
		case v.ConfigMap != nil:
			kinds[v.Name] = "ConfigMap"
		case v.Secret != nil:
			kinds[v.Name] = "Secret"
		}
	}
	for _, c := range k.pods.claims {
		kinds[c.Name] = "claim"
	}
	at := func(path string) string { return kinds[k.pods.mount(path)] }
	k.must(at(configDir+"/config.yaml") == "ConfigMap", "%s is no ConfigMap's", configDir)
	secretFiles := append([]string{k.config.Broker.PasswordFile}, k.config.Auth.JWT.SecretFile...)
	if k.config.Journal.Shared() {
		secretFiles = append(secretFiles, k.config.Journal.NATS.PasswordFile)
	} else {
		k.must(at(k.config.Journal.Dir) == "claim", "journal.dir, %q, is on no volume", k.config.Journal.Dir)
	}
	for _, f := range secretFiles {
		k.must(at(f) == "Secret" && slices.Contains(secrets, path.Base(f)), "%q is no file of the Secret", f)
	}
	k.must(len(secretFiles) > 1, "tokens are not checked by a secret")
}

// selects reports whether a selector takes the pods.
func (k *checker) selects(s *meta.LabelSelector) bool {
	selector, err := meta.LabelSelectorAsSelector(s)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(k.pods.template.Labels))
}

func (k *checker) selectors() {
	k.must(k.selects(k.pods.selector), "the %s does not select its pods", k.pods.kind)
	for _, p := range all[*networking.NetworkPolicy](k.manifests) {
		k.must(k.selects(&p.Spec.PodSelector), "the NetworkPolicy %s does not select the pods", p.Name)
	}
	for _, p := range all[*policy.PodDisruptionBudget](k.manifests) {
		k.must(k.selects(p.Spec.Selector), "the PodDisruptionBudget does not select the pods")
	}
	for _, s := range k.pods.template.Spec.TopologySpreadConstraints {
		k.must(k.selects(s.LabelSelector), "the spread over %s does not select the pods", s.TopologyKey)
	}
	for _, s := range all[*core.Service](k.manifests) {
		k.must(k.selects(&meta.LabelSelector{MatchLabels: s.Spec.Selector}), "the Service %s does not select the pods", s.Name)
	}
}

func (k *checker) services() {
	for _, s := range all[*core.Service](k.manifests) {
		for _, p := range s.Spec.Ports {
			n, ok := k.pods.port(p.TargetPort.StrVal)
			k.must(ok && n == p.Port, "the Service %s leads its port %d to %q, which is %d", s.Name, p.Port, &p.TargetPort, n)
		}
	}
	ops := named[*core.Service](k.manifests, name+"-ops").Spec
	k.must(ops.ClusterIP == core.ClusterIPNone && ops.PublishNotReadyAddresses, "Prometheus does not find each pod")
	for _, s := range all[*apps.StatefulSet](k.manifests) {
		k.must(named[*core.Service](k.manifests, s.Spec.ServiceName).Name != "", "the StatefulSet names the Service %q", s.Spec.ServiceName)
	}
}

func (k *checker) ingress() {
	i := named[*networking.Ingress](k.manifests, name)
	for _, timeout := range []string{"proxy-read-timeout", "proxy-send-timeout"} {
		text := i.Annotations["nginx.ingress.kubernetes.io/"+timeout]
		seconds, err := strconv.Atoi(text)
		k.must(err == nil && time.Duration(seconds)*time.Second > 2*k.config.Server.Heartbeat, "%s is %q", timeout, text)
	}
	var hosts []string
	for _, tls := range i.Spec.TLS {
		hosts = append(hosts, tls.Hosts...)
	}
	k.must(len(i.Spec.Rules) > 0 && value(i.Spec.IngressClassName, "") != "", "the Ingress leads nowhere")
	for _, r := range i.Spec.Rules {
		k.must(slices.Contains(hosts, r.Host), "%q has no certificate", r.Host)
		for _, p := range r.HTTP.Paths {
			k.must(p.Path == k.config.Server.Path && value(p.PathType, "") == networking.PathTypeExact, "the Ingress leads %s here, the endpoint is %s", p.Path, k.config.Server.Path)
			k.must(k.leads(p.Backend.Service), "the Ingress does not lead to the clients' port")
		}
	}
}

// leads reports whether a backend is the Service for clients.
func (k *checker) leads(b *networking.IngressServiceBackend) bool {
	if b == nil {
		return false
	}
	return slices.ContainsFunc(named[*core.Service](k.manifests, b.Name).Spec.Ports, func(p core.ServicePort) bool {
		return p.Name == b.Port.Name && p.TargetPort == intstr.FromString("clients")
	})
}

// entering is what NetworkPolicies let in: each port, from somewhere in particular.
func (k *checker) entering() {
	let := map[string]bool{} // port of the container -> it may be reached
	isolated := false
	for _, p := range all[*networking.NetworkPolicy](k.manifests) {
		isolated = isolated || slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress)
		for _, r := range p.Spec.Ingress {
			k.must(len(r.From) > 0 && len(r.Ports) > 0, "the NetworkPolicy %s lets everybody in", p.Name)
			for _, port := range r.Ports {
				_, ok := k.pods.port(port.Port.String())
				k.must(ok, "the NetworkPolicy %s lets in to %q, which is no port", p.Name, port.Port)
				let[port.Port.String()] = true
			}
		}
	}
	k.must(isolated, "no NetworkPolicy keeps anybody out")
	for _, port := range k.pods.bridge().Ports {
		k.must(let[port.Name], "no NetworkPolicy lets anybody in to %s", port.Name)
	}
}

// A destination is where the bridge connects to.
type destination struct {
	namespace string
	protocol  core.Protocol
	port      string
}

// leaving is what NetworkPolicies let out: to all that the configuration names, and no further.
func (k *checker) leaving() {
	let := map[destination]bool{} // -> it is needed
	isolated := false
	for _, p := range all[*networking.NetworkPolicy](k.manifests) {
		isolated = isolated || slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeEgress)
		for _, r := range p.Spec.Egress {
			for _, to := range r.To {
				for _, port := range r.Ports {
					if to.NamespaceSelector == nil || to.PodSelector == nil {
						k.wrong("the NetworkPolicy %s lets out to more than pods", p.Name)
						continue
					}
					let[destination{to.NamespaceSelector.MatchLabels[core.LabelMetadataName], value(port.Protocol, core.ProtocolTCP), port.Port.String()}] = false
				}
			}
		}
	}
	k.must(isolated, "no NetworkPolicy keeps the bridge in")
	needed := []destination{{"kube-system", core.ProtocolUDP, "53"}, {"kube-system", core.ProtocolTCP, "53"}}
	for _, u := range slices.Concat(k.config.Broker.URL, k.config.Journal.NATS.URL, k.config.Journal.NATS.MonitorURL) {
		needed = append(needed, destination{namespaceOf(u), core.ProtocolTCP, u.Port()})
	}
	for _, d := range needed {
		_, ok := let[d]
		k.must(ok, "no NetworkPolicy lets the bridge out to %s %s in %q", d.protocol, d.port, d.namespace)
		let[d] = true
	}
	for d, wanted := range let {
		k.must(wanted, "a NetworkPolicy lets the bridge out to %s %s in %q, which it does not need", d.protocol, d.port, d.namespace)
	}
}

// namespaceOf is the namespace in the name of a Service or of one of its pods, which end in NAMESPACE.svc.
func namespaceOf(u *url.URL) string {
	parts := strings.Split(u.Hostname(), ".")
	i := slices.Index(parts, "svc")
	if i < 1 {
		return ""
	}
	return parts[i-1]
}

// number is how many bridges there are, and at which times.
func (k *checker) number() {
	if !k.config.Journal.Shared() {
		k.must(k.pods.kind == "StatefulSet" && k.pods.replicas == 1, "a %s of %d bridges has a journal for one", k.pods.kind, k.pods.replicas)
		return
	}
	k.must(k.pods.kind == "Deployment" && k.pods.replicas >= 2, "a %s of %d bridges", k.pods.kind, k.pods.replicas)
	k.must(k.config.Journal.NATS.ID == "", "all bridges have the id %q", k.config.Journal.NATS.ID)
	for _, d := range all[*apps.Deployment](k.manifests) {
		r := d.Spec.Strategy.RollingUpdate
		k.must(r != nil && value(r.MaxSurge, intstr.FromString("25%")) == intstr.FromInt32(0) && value(r.MaxUnavailable, intstr.FromString("25%")) == intstr.FromInt32(1), "a rollout does not take one bridge at a time")
	}
	budgets := all[*policy.PodDisruptionBudget](k.manifests)
	k.must(len(budgets) == 1 && value(budgets[0].Spec.MaxUnavailable, intstr.IntOrString{}) == intstr.FromInt32(1), "draining nodes does not take one bridge at a time")
	k.must(slices.ContainsFunc(k.pods.template.Spec.TopologySpreadConstraints, func(s core.TopologySpreadConstraint) bool {
		return s.TopologyKey == core.LabelHostname && s.WhenUnsatisfiable == core.DoNotSchedule
	}), "bridges may share a node while others have none")
}

// endsWithin is how long a bridge may take to end.
const endsWithin = 10 * time.Second

func (k *checker) shutdown() {
	var before int64
	if l := k.pods.bridge().Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
		before = l.PreStop.Sleep.Seconds
	}
	k.must(!k.config.Journal.Shared() || before > 0, "clients that come back may be sent to the bridge that ends")
	grace := time.Duration(value(k.pods.template.Spec.TerminationGracePeriodSeconds, 30)) * time.Second
	least := time.Duration(before)*time.Second + endsWithin
	k.must(grace >= least, "a bridge has %v to end and may need %v", grace, least)
}

// alertsFile has the alerts, for every Prometheus.
const alertsFile = "../monitoring/alerts.yml"

func (k *checker) monitoring(t *testing.T) {
	t.Helper()
	for _, s := range all[*monitoring.ServiceMonitor](k.manifests) {
		selector, err := meta.LabelSelectorAsSelector(&s.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		var services []*core.Service
		for _, service := range all[*core.Service](k.manifests) {
			if selector.Matches(labels.Set(service.Labels)) {
				services = append(services, service)
			}
		}
		if len(services) != 1 {
			k.wrong("the ServiceMonitor selects %d Services", len(services))
			continue
		}
		k.must(services[0].Labels[s.Spec.JobLabel] == name, "the job is %q", services[0].Labels[s.Spec.JobLabel])
		for _, e := range s.Spec.Endpoints {
			k.must(slices.ContainsFunc(services[0].Spec.Ports, func(p core.ServicePort) bool { return p.Name == e.Port }), "the ServiceMonitor asks port %q", e.Port)
			k.must(e.Path == "/metrics", "the ServiceMonitor asks %s", e.Path)
		}
	}
	for _, r := range all[*monitoring.PrometheusRule](k.manifests) {
		want := monitoring.PrometheusRuleSpec{}
		alerts, err := os.ReadFile(alertsFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(alerts, &want); err != nil {
			t.Fatalf("%s: %v", alertsFile, err)
		}
		k.must(cmp.Equal(oneLine(r.Spec), oneLine(want)), "the alerts are not those of %s", alertsFile)
	}
}

// oneLine has each expression on one line: kustomize breaks folded ones in another way.
func oneLine(s monitoring.PrometheusRuleSpec) monitoring.PrometheusRuleSpec {
	for _, g := range s.Groups {
		for i := range g.Rules {
			e := &g.Rules[i].Expr
			*e = intstr.FromString(strings.Join(strings.Fields(e.String()), " "))
		}
	}
	return s
}
