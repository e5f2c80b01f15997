// judge says of objects what Kubernetes' API server would, by the server's own code: fields that it does not
// know, values that it refuses, warnings, and what Pod Security "restricted" does not let in.
//
//	judge [OLD.json] < NEW.json
//
// Both are a JSON array of objects. With OLD a StatefulSet is judged as a change of the one of the same name.
// Prints a line for each complaint, and the count of objects; exits with 1 when there was a complaint. Kinds
// that are no part of Kubernetes are counted apart.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	pdb "k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	pdbvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
)

var (
	scheme     = legacyscheme.Scheme
	serializer = jsonserializer.NewSerializerWithOptions(
		jsonserializer.DefaultMetaFactory, scheme, scheme, jsonserializer.SerializerOptions{Strict: true})
	complaints int
)

func complain(name string, what any) {
	fmt.Printf("%s: %v\n", name, what)
	complaints++
}

// decode gives the object as it was sent, with the server's defaults, and as the server works with it.
func decode(text []byte, name string) (sent, inside runtime.Object) {
	sent, kind, err := serializer.Decode(text, nil, nil)
	if runtime.IsStrictDecodingError(err) {
		complain(name, err)
	} else if err != nil {
		complain(name, err)
		return nil, nil
	}
	scheme.Default(sent)
	version := schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal}
	inside, err = scheme.ConvertToVersion(sent, version)
	if err != nil {
		complain(name, err)
		return nil, nil
	}
	return sent, inside
}

func check(name string, sent, inside, old runtime.Object) {
	var errs field.ErrorList
	var warnings []string
	switch object := inside.(type) {
	case *apps.StatefulSet:
		template := &object.Spec.Template
		options := podutil.GetValidationOptionsFromPodTemplate(template, nil)
		if before, ok := old.(*apps.StatefulSet); ok {
			object.ResourceVersion = "2"
			errs = appsvalidation.ValidateStatefulSetUpdate(object, before, options)
		} else {
			errs = appsvalidation.ValidateStatefulSet(object, options)
		}
		warnings = podutil.GetWarningsForPodTemplate(context.Background(), field.NewPath("spec", "template"), template, nil)
		pod := sent.(*appsv1.StatefulSet).Spec.Template
		restrict(name, &pod.ObjectMeta, &pod.Spec)
	case *core.Pod:
		options := podutil.GetValidationOptionsFromPodSpecAndMeta(&object.Spec, nil, &object.ObjectMeta, nil)
		errs = corevalidation.ValidatePodCreate(object, options)
		pod := sent.(*corev1.Pod)
		restrict(name, &pod.ObjectMeta, &pod.Spec)
	case *core.Service:
		// What the server gives a Service before it looks at it.
		if object.Spec.ClusterIP == "" && object.Spec.Type != core.ServiceTypeExternalName {
			object.Spec.ClusterIP, object.Spec.ClusterIPs = "10.96.0.10", []string{"10.96.0.10"}
		} else if object.Spec.ClusterIP != "" {
			object.Spec.ClusterIPs = []string{object.Spec.ClusterIP}
		}
		if object.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal {
			object.Spec.HealthCheckNodePort = 32000
		}
		single := core.IPFamilyPolicySingleStack
		object.Spec.IPFamilyPolicy, object.Spec.IPFamilies = &single, []core.IPFamily{core.IPv4Protocol}
		errs = corevalidation.ValidateServiceCreate(object)
	case *core.ConfigMap:
		errs = corevalidation.ValidateConfigMap(object)
	case *core.ServiceAccount:
		errs = corevalidation.ValidateServiceAccount(object)
	case *pdb.PodDisruptionBudget:
		errs = pdbvalidation.ValidatePodDisruptionBudget(object, pdbvalidation.PodDisruptionBudgetValidationOptions{})
	case *networking.NetworkPolicy:
		errs = networkingvalidation.ValidateNetworkPolicy(object, networkingvalidation.NetworkPolicyValidationOptions{})
	default:
		complain(name, "judge does not know this kind")
	}
	for _, err := range errs {
		complain(name, err)
	}
	for _, warning := range warnings {
		complain(name, "warning: "+warning)
	}
}

func restrict(name string, of *metav1.ObjectMeta, spec *corev1.PodSpec) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	level := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	if result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, of, spec)); !result.Allowed {
		complain(name, `violates PodSecurity "restricted": `+result.ForbiddenDetail())
	}
}

type head struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
}

func read(file *os.File, visit func(name string, kind schema.GroupVersionKind, text []byte)) {
	var all []json.RawMessage
	if err := json.NewDecoder(file).Decode(&all); err != nil {
		panic(err)
	}
	for _, text := range all {
		var of head
		if err := json.Unmarshal(text, &of); err != nil {
			panic(err)
		}
		visit(of.Kind+"/"+of.Name, of.GroupVersionKind(), text)
	}
}

func main() {
	old := map[string]runtime.Object{}
	if len(os.Args) > 1 {
		file, err := os.Open(os.Args[1])
		if err != nil {
			panic(err)
		}
		read(file, func(name string, kind schema.GroupVersionKind, text []byte) {
			if scheme.Recognizes(kind) {
				_, object := decode(text, name)
				if at, err := meta.Accessor(object); err == nil && at.GetNamespace() == "" {
					at.SetNamespace("logs")
				}
				old[name] = object
			}
		})
		for _, object := range old {
			if set, ok := object.(*apps.StatefulSet); ok {
				set.ResourceVersion = "1"
			}
		}
	}
	judged, others := 0, 0
	read(os.Stdin, func(name string, kind schema.GroupVersionKind, text []byte) {
		if !scheme.Recognizes(kind) {
			others++
			return
		}
		judged++
		if sent, inside := decode(text, name); inside != nil {
			// kubectl and helm say the namespace in the address of the call.
			if at, err := meta.Accessor(inside); err == nil && at.GetNamespace() == "" {
				at.SetNamespace("logs")
			}
			check(name, sent, inside, old[name])
		}
	})
	fmt.Printf("%d objects judged, %d of other kinds\n", judged, others)
	if complaints > 0 {
		os.Exit(1)
	}
}
