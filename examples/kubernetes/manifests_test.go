// Package kubernetes_test checks the manifests of this directory against the types of Kubernetes, against each other, and
// against a bridge that runs with what they hold.
package kubernetes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// types are all that the manifests may hold, by apiVersion and kind.
var types = map[string]meta.Object{
	"v1 ConfigMap":                                  &core.ConfigMap{},
	"v1 Service":                                    &core.Service{},
	"apps/v1 StatefulSet":                           &apps.StatefulSet{},
	"apps/v1 Deployment":                            &apps.Deployment{},
	"networking.k8s.io/v1 Ingress":                  &networking.Ingress{},
	"networking.k8s.io/v1 NetworkPolicy":            &networking.NetworkPolicy{},
	"policy/v1 PodDisruptionBudget":                 &policy.PodDisruptionBudget{},
	"monitoring.coreos.com/v1 ServiceMonitor":       &monitoring.ServiceMonitor{},
	"monitoring.coreos.com/v1 PrometheusRule":       &monitoring.PrometheusRule{},
	"kustomize.config.k8s.io/v1beta1 Kustomization": nil, // not an object of the API server
	"kustomize.config.k8s.io/v1alpha1 Component":    nil,
}

// manifests are what kustomize makes of some directories.
type manifests []meta.Object

// build returns what kubectl apply -k would send for the directories, as YAML.
func build(t *testing.T, directories ...string) string {
	t.Helper()
	var documents []string
	for _, d := range directories {
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), d)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		text, err := resources.AsYaml()
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		documents = append(documents, string(text))
	}
	return strings.Join(documents, "---\n")
}

// decode reads manifests. A kind, a field or a type that the API server does not know, or a field that is there twice, is an
// error.
func decode(text string) (manifests, error) {
	var all manifests
	for i, document := range strings.Split(text, "\n---\n") {
		o, err := decodeOne([]byte(document))
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		if o != nil {
			all = append(all, o)
		}
	}
	return all, nil
}

func decodeOne(document []byte) (meta.Object, error) {
	var head meta.TypeMeta
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, err
	}
	kind := head.APIVersion + " " + head.Kind
	sample, known := types[kind]
	switch {
	case !known:
		return nil, fmt.Errorf("kind %q", kind)
	case sample == nil: // kustomize's own reading is as strict
		return nil, nil
	}
	o := reflect.New(reflect.TypeOf(sample).Elem()).Interface().(meta.Object)
	if err := yaml.UnmarshalStrict(document, o); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return o, nil
}

// all returns the objects of a type, in order.
func all[T meta.Object](m manifests) (found []T) {
	for _, o := range m {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	return found
}

// named returns the object of a type with the name, or a new one without anything.
func named[T meta.Object](m manifests, name string) T {
	for _, o := range all[T](m) {
		if o.GetName() == name {
			return o
		}
	}
	var none T
	return reflect.New(reflect.TypeOf(none).Elem()).Interface().(T)
}

// Every file is what the API server, or kustomize, takes, before kustomize has put them together. That also shows a key that
// is there twice.
func TestFilesDecode(t *testing.T) {
	files, err := filepath.Glob("*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Base(name) {
		case "rules.yaml", "config.yaml": // the bridge's own
		case "kustomization.yaml":
			if err := yaml.UnmarshalStrict(text, &kustomize.Kustomization{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case "pod.yaml": // of either kind
			for _, kind := range []string{"StatefulSet", "Deployment"} {
				if _, err := decode(strings.Replace(string(text), "kind: Workload", "kind: "+kind, 1)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		default:
			if _, err := decode(string(text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// What kubectl apply -k sends is what the API server takes, and fits together.
func TestManifests(t *testing.T) {
	for _, directory := range []string{"single", "replicas"} {
		t.Run(directory, func(t *testing.T) {
			m, err := decode(build(t, directory, "monitoring"))
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range check(t, m) {
				t.Error(problem)
			}
		})
	}
}
