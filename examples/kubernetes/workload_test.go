package kubernetes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mqtt-stomp-bridge/mapping/source"
	"mqtt-stomp-bridge/plugin/config"
)

const (
	name       = "mqtt-stomp-bridge"
	secretsDir = "/run/secrets/mqtt-stomp-bridge"
	configDir  = "/etc/mqtt-stomp-bridge" // the image's working directory
)

// secrets are the keys of the Secret that README.md makes.
var secrets = []string{"jwt_secret", "broker_password", "nats_password"}

// A workload is what a StatefulSet and a Deployment have in common.
type workload struct {
	kind     string
	replicas int32
	selector *meta.LabelSelector
	template core.PodTemplateSpec
	claims   []core.PersistentVolumeClaim
}

// pods returns the workload, of which there must be one alone.
func (m manifests) pods() (workload, error) {
	var found []workload
	for _, s := range all[*apps.StatefulSet](m) {
		found = append(found, workload{"StatefulSet", value(s.Spec.Replicas, 1), s.Spec.Selector, s.Spec.Template, s.Spec.VolumeClaimTemplates})
	}
	for _, d := range all[*apps.Deployment](m) {
		found = append(found, workload{"Deployment", value(d.Spec.Replicas, 1), d.Spec.Selector, d.Spec.Template, nil})
	}
	if len(found) != 1 || len(found[0].template.Spec.Containers) != 1 {
		return workload{}, fmt.Errorf("%d workloads, or not one container", len(found))
	}
	return found[0], nil
}

// value is what p points to, or what the API server takes without it.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func (w workload) bridge() core.Container { return w.template.Spec.Containers[0] }

// port returns the number of a port of the container.
func (w workload) port(name string) (int32, bool) {
	for _, p := range w.bridge().Ports {
		if p.Name == name {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// mount returns the volume that is at the path or above it; "": none.
func (w workload) mount(path string) string {
	for _, m := range w.bridge().VolumeMounts {
		if path == m.MountPath || strings.HasPrefix(path, m.MountPath+"/") {
			return m.Name
		}
	}
	return ""
}

// environ is the environment of the bridge: the image's, and what the manifest adds.
func (w workload) environ(t *testing.T) []string {
	t.Helper()
	dockerfile, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ENV (.*)$`).FindSubmatch(dockerfile)
	if line == nil {
		t.Fatal("the Dockerfile sets no variables")
	}
	environ := strings.Fields(string(line[1]))
	for _, e := range w.bridge().Env {
		environ = append(environ, e.Name+"="+e.Value)
	}
	return environ
}

// loaded is the configuration that the bridge of the manifests has, with its paths as they are there.
func (m manifests) loaded(t *testing.T, w workload) (*config.Config, []source.Problem) {
	t.Helper()
	dir := t.TempDir()
	path := lay(t, dir, named[*core.ConfigMap](m, name).Data, map[string]string{
		"jwt_secret": strings.Repeat("s", 48), "broker_password": "b", "nats_password": "n",
	})
	c, problems := config.Load(path, w.environ(t))
	if c == nil {
		return nil, problems
	}
	inPod := func(path *string) {
		if rest, ok := strings.CutPrefix(*path, filepath.Join(dir, "secrets")); ok {
			*path = secretsDir + rest
		}
	}
	for _, p := range []*string{&c.Broker.PasswordFile, &c.Journal.NATS.PasswordFile} {
		inPod(p)
	}
	for i := range c.Auth.JWT.SecretFile {
		inPod(&c.Auth.JWT.SecretFile[i])
	}
	return c, problems
}

// lay writes the ConfigMap and the Secret to dir, as kubelet lays out what it mounts, and returns the path of the
// configuration. What the configuration says of the Secret's place is changed to where it is here.
func lay(t *testing.T, dir string, configuration, secret map[string]string) string {
	t.Helper()
	here := map[string]string{}
	for file, text := range configuration {
		here[file] = strings.ReplaceAll(text, secretsDir, filepath.Join(dir, "secrets"))
	}
	mountAs(t, filepath.Join(dir, "secrets"), "..1", secret)
	mountAs(t, filepath.Join(dir, "config"), "..1", here)
	return filepath.Join(dir, "config", "config.yaml")
}

// mountAs puts files into a mounted directory as kubelet does: in a directory of their own, to which the link ..data is then
// turned, and through which the links with the files' names lead.
func mountAs(t *testing.T, dir, generation string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, generation), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, generation, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(generation, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}
