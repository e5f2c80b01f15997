{{/*
What a schema cannot tell, because it concerns several values, or cannot tell in words that help.
Each guard is one sentence that says what is wrong and what to do.
*/}}
{{- define "proglog.guards" -}}
{{- include "proglog.guardReplicas" . -}}
{{- include "proglog.guardNames" . -}}
{{- include "proglog.guardSecrets" . -}}
{{- include "proglog.guardExternal" . -}}
{{- include "proglog.guardImmutable" . -}}
{{- end -}}

{{- define "proglog.guardReplicas" -}}
{{- $replicas := int .Values.replicas -}}
{{- if eq 0 (mod $replicas 2) -}}
{{- fail (printf "replicas: %d is even, and outlasts no more failures than %d: set it to %d or %d" $replicas (sub $replicas 1) (sub $replicas 1) (add $replicas 1)) -}}
{{- end -}}
{{- $expect := int .Values.cluster.bootstrapExpect -}}
{{- if gt $expect $replicas -}}
{{- fail (printf "cluster.bootstrapExpect: %d servers are waited for, and replicas makes only %d: lower it, or leave it out" $expect $replicas) -}}
{{- end -}}
{{- if and (gt $expect 0) (eq 0 (mod $expect 2)) -}}
{{- fail (printf "cluster.bootstrapExpect: %d is even: write down the odd count of replicas that the cluster began with" $expect) -}}
{{- end -}}
{{- $needed := add (int .Values.preStopSleepSeconds) 30 -}}
{{- if le (int .Values.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds: %d s end a server before it could finish: give more than %d (preStopSleepSeconds and 30)" (int .Values.terminationGracePeriodSeconds) $needed) -}}
{{- end -}}
{{- if not (dig "limits" "memory" "" .Values.resources) -}}
{{- fail "resources.limits.memory: without it heapPercent means a share of the machine's memory: give a limit, like 1Gi" -}}
{{- end -}}
{{- end -}}

{{- define "proglog.guardNames" -}}
{{- $name := include "proglog.fullname" . -}}
{{- if gt (len $name) 40 -}}
{{- fail (printf "the name %s has %d characters, and Kubernetes' labels leave room for 40: install under a shorter name, or set fullnameOverride" $name (len $name)) -}}
{{- end -}}
{{- if eq .Values.image.tag "latest" -}}
{{- fail "image.tag: latest lets a restart change the version: name a version, or leave it out for the chart's" -}}
{{- end -}}
{{- end -}}

{{- define "proglog.guardSecrets" -}}
{{- if not .Values.gossip.existingSecret -}}
{{- fail "gossip.existingSecret: servers gossip only with a key: make one by kubectl create secret generic proglog-gossip --from-literal=gossip-key=\"$(head -c 32 /dev/urandom | base64)\", and set gossip.existingSecret=proglog-gossip" -}}
{{- end -}}
{{- $tls := .Values.tls -}}
{{- if and (has $tls.mode (list "csi" "certificates")) (not $tls.issuer.name) -}}
{{- fail (printf "tls.issuer.name: tls.mode %s needs an issuer of cert-manager: name it, or choose tls.mode secret (files made by proglog certs) or disabled" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "secret") (not $tls.existingSecret) -}}
{{- fail "tls.existingSecret: tls.mode secret needs a Secret with ca.crt and for each pod <pod>.crt and <pod>.key: see the chart's README, which makes it by proglog certs" -}}
{{- end -}}
{{- if and $tls.existingSecret (ne $tls.mode "secret") -}}
{{- fail (printf "tls.existingSecret is given, and tls.mode is %s, which would leave it unread: set tls.mode to secret, or take tls.existingSecret out" $tls.mode) -}}
{{- end -}}
{{- if and $tls.shared (not (has $tls.mode (list "certificates" "secret"))) -}}
{{- fail (printf "tls.shared: true is for tls.mode certificates and secret, and the mode is %s: take it out" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "disabled") (not $tls.insecure) -}}
{{- fail "tls.mode: disabled lets whoever reaches the port read and write everything: accept that by tls.insecure=true, or choose csi, certificates or secret" -}}
{{- end -}}
{{- if and (ne $tls.mode "disabled") $tls.insecure -}}
{{- fail (printf "tls.insecure: true contradicts tls.mode %s: take it out, or set tls.mode to disabled" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "disabled") (include "proglog.hasPolicy" .) -}}
{{- fail "acl: without TLS nobody can say who he is, and a policy would refuse everybody: choose another tls.mode, or take the policy out" -}}
{{- end -}}
{{- if and .Values.acl.policy .Values.acl.existingConfigMap -}}
{{- fail "acl: policy and existingConfigMap are both given: take one of them out" -}}
{{- end -}}
{{- end -}}

{{- define "proglog.guardExternal" -}}
{{- $external := .Values.externalAccess -}}
{{- $mode := $external.mode -}}
{{- if and (has $mode (list "loadBalancer" "tlsRoute")) (not $external.domain) -}}
{{- fail (printf "externalAccess.domain: mode %s tells clients that pod N is at <pod>.<domain>: give the domain" $mode) -}}
{{- end -}}
{{- if and $external.domain (not (has $mode (list "loadBalancer" "tlsRoute" "metacontroller"))) -}}
{{- fail (printf "externalAccess.domain is given, and mode %s does not use it: set externalAccess.mode to loadBalancer or tlsRoute, or take the domain out" $mode) -}}
{{- end -}}
{{- if and $external.nodePort.host (ne $mode "nodePort") -}}
{{- fail (printf "externalAccess.nodePort.host is given, and externalAccess.mode is %s: set the mode to nodePort, or take the host out" $mode) -}}
{{- end -}}
{{- if and $external.tlsRoute.gateway.name (ne $mode "tlsRoute") -}}
{{- fail (printf "externalAccess.tlsRoute.gateway is given, and externalAccess.mode is %s: set the mode to tlsRoute, or take the gateway out" $mode) -}}
{{- end -}}
{{- if eq $mode "tlsRoute" -}}
{{- if eq .Values.tls.mode "disabled" -}}
{{- fail "externalAccess.mode: tlsRoute passes TLS through by its server name, and tls.mode is disabled: choose another tls.mode, or nodePort or loadBalancer" -}}
{{- end -}}
{{- if not $external.tlsRoute.gateway.name -}}
{{- fail "externalAccess.tlsRoute.gateway.name: name the Gateway whose TLS listener (mode Passthrough) the routes attach to" -}}
{{- end -}}
{{- end -}}
{{- if eq $mode "nodePort" -}}
{{- if not $external.nodePort.host -}}
{{- fail "externalAccess.nodePort.host: say what clients dial: a machine of the cluster, or a name for all of them" -}}
{{- end -}}
{{- if ne 0 (mod (int $external.nodePort.basePort) 10) -}}
{{- fail (printf "externalAccess.nodePort.basePort: %d does not end in 0, and the pod's number becomes the last digit: give one like 30840" (int $external.nodePort.basePort)) -}}
{{- end -}}
{{- if not (semverCompare ">=1.28.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "externalAccess.mode: nodePort needs the label apps.kubernetes.io/pod-index of Kubernetes 1.28, and this is %s: choose loadBalancer or tlsRoute" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What Kubernetes would refuse with a list of allowed fields, in words. Needs a cluster to ask. */}}
{{- define "proglog.guardImmutable" -}}
{{- $old := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "proglog.fullname" .) -}}
{{- if $old -}}
{{- $claim := (first $old.spec.volumeClaimTemplates).spec -}}
{{- if ne $claim.resources.requests.storage .Values.persistence.size -}}
{{- fail (printf "persistence.size: %s cannot become %s, because a StatefulSet keeps its claims' size: set it back, and enlarge the claims themselves (the chart's README tells how)" $claim.resources.requests.storage .Values.persistence.size) -}}
{{- end -}}
{{- $class := default "" $claim.storageClassName -}}
{{- if and .Values.persistence.storageClass (ne $class .Values.persistence.storageClass) -}}
{{- fail (printf "persistence.storageClass: %s cannot become %s, because a StatefulSet keeps its claims' class: set it back, or move to a release of another name with proglog mirror" (default "the default class" $class) .Values.persistence.storageClass) -}}
{{- end -}}
{{- $name := dig "metadata" "annotations" "proglog.dev/cluster-name" .Values.cluster.name $old -}}
{{- if ne $name .Values.cluster.name -}}
{{- fail (printf "cluster.name: %s cannot become %s: it is in the certificates and in every data directory: set it back" $name .Values.cluster.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
