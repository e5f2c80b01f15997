{{/* The release's name, with proglog in it. A StatefulSet's name must leave room for what follows it. */}}
{{- define "proglog.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "proglog" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-proglog" .Release.Name -}}
{{- end -}}
{{- end -}}

{{- define "proglog.headless" -}}
{{ include "proglog.fullname" . }}-headless
{{- end -}}

{{/* What follows a pod's name in its DNS name. */}}
{{- define "proglog.podDomain" -}}
{{ include "proglog.headless" . }}.{{ .Release.Namespace }}.svc.{{ .Values.cluster.dnsDomain }}
{{- end -}}

{{/* Cannot be changed while a StatefulSet lives: nothing that a version changes may stand here. */}}
{{- define "proglog.selectorLabels" -}}
app.kubernetes.io/name: proglog
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "proglog.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "proglog.selectorLabels" . }}
{{- end -}}

{{/* Labels of what is no server: the test, which no Service may select. */}}
{{- define "proglog.smokeLabels" -}}
app.kubernetes.io/name: proglog
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: smoke
{{- end -}}

{{- define "proglog.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "proglog.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "proglog.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "proglog.bootstrapExpect" -}}
{{- if gt (int .Values.cluster.bootstrapExpect) 0 -}}
{{- int .Values.cluster.bootstrapExpect -}}
{{- else -}}
{{- int .Values.replicas -}}
{{- end -}}
{{- end -}}

{{/* What a client outside dials for the pod that Kubernetes puts in for $(POD_NAME); empty: nothing. */}}
{{- define "proglog.externalAddress" -}}
{{- $external := .Values.externalAccess -}}
{{- if eq $external.mode "tlsRoute" -}}
$(POD_NAME).{{ $external.domain }}:{{ $external.tlsRoute.port }}
{{- else if eq $external.mode "loadBalancer" -}}
$(POD_NAME).{{ $external.domain }}:{{ $external.loadBalancer.port }}
{{- else if and (eq $external.mode "metacontroller") $external.domain -}}
$(POD_NAME).{{ $external.domain }}:{{ .Values.ports.rpc }}
{{- else if eq $external.mode "nodePort" -}}
{{ $external.nodePort.host }}:{{ div (int $external.nodePort.basePort) 10 }}$(POD_INDEX)
{{- end -}}
{{- end -}}

{{/* The DNS names of one pod's certificate, comma-separated; takes (list context "<pod>"). */}}
{{- define "proglog.certificateNames" -}}
{{- $root := index . 0 -}}
{{- $pod := index . 1 -}}
{{- $service := printf "%s.%s.svc" (include "proglog.fullname" $root) $root.Release.Namespace -}}
{{- $names := list (printf "%s.%s" $pod (include "proglog.podDomain" $root)) $service -}}
{{- $names = append $names (printf "%s.%s" $service $root.Values.cluster.dnsDomain) -}}
{{- if $root.Values.externalAccess.domain -}}
{{- $names = append $names (printf "%s.%s" $pod $root.Values.externalAccess.domain) -}}
{{- end -}}
{{- join "," (concat $names $root.Values.tls.extraDnsNames) -}}
{{- end -}}

{{/* Whether there is an access list. */}}
{{- define "proglog.hasPolicy" -}}
{{- if or .Values.acl.policy .Values.acl.existingConfigMap -}}yes{{- end -}}
{{- end -}}

{{- define "proglog.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "proglog.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
