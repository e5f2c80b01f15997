{{/* The parts of a pod that depend on several values. */}}

{{- define "proglog.configFile" -}}
{{- toYaml .Values.config -}}
{{- end -}}

{{/* Each pod has the same variables: what differs is its name, which Kubernetes puts in. */}}
{{- define "proglog.environment" -}}
{{- $tls := .Values.tls -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if eq .Values.externalAccess.mode "nodePort" }}
- name: POD_INDEX
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
{{- end }}
- name: PROGLOG_CONFIG_FILE
  value: /etc/proglog/config/proglog.yaml
- name: PROGLOG_NODE_NAME
  value: $(POD_NAME)
- name: PROGLOG_CLUSTER_NAME
  value: {{ .Values.cluster.name }}
- name: PROGLOG_DATA_DIR
  value: /var/lib/proglog
- name: PROGLOG_BIND_ADDR
  {{- if contains ":" .Values.bindHost }}
  value: "[{{ .Values.bindHost }}]:{{ .Values.ports.gossip }}"
  {{- else }}
  value: {{ .Values.bindHost }}:{{ .Values.ports.gossip }}
  {{- end }}
- name: PROGLOG_RPC_PORT
  value: {{ .Values.ports.rpc | quote }}
- name: PROGLOG_HEALTH_PORT
  value: {{ .Values.ports.health | quote }}
{{- if gt (int .Values.ports.http) 0 }}
- name: PROGLOG_HTTP_PORT
  value: {{ .Values.ports.http | quote }}
{{- end }}
- name: PROGLOG_ADVERTISE_RPC_ADDR
  value: $(POD_NAME).{{ include "proglog.podDomain" . }}:{{ .Values.ports.rpc }}
{{- with include "proglog.externalAddress" . }}
- name: PROGLOG_ADVERTISE_EXTERNAL_ADDR
  value: {{ . }}
{{- end }}
- name: PROGLOG_BOOTSTRAP_EXPECT
  value: {{ include "proglog.bootstrapExpect" . | quote }}
- name: PROGLOG_START_JOIN_ADDRS
  value: {{ include "proglog.podDomain" . }}:{{ .Values.ports.gossip }}
- name: PROGLOG_GOSSIP_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.gossip.existingSecret }}
      key: {{ .Values.gossip.secretKey }}
{{- if eq $tls.mode "disabled" }}
- name: PROGLOG_INSECURE
  value: "true"
{{- else }}
{{- $file := ternary "tls" "$(POD_NAME)" (or (eq $tls.mode "csi") $tls.shared) }}
# One certificate for both sides; a peer is who the URI in it says. Replaced files are read again.
- name: PROGLOG_SERVER_TLS_CERT_FILE
  value: /etc/proglog/tls/{{ $file }}.crt
- name: PROGLOG_SERVER_TLS_KEY_FILE
  value: /etc/proglog/tls/{{ $file }}.key
- name: PROGLOG_SERVER_TLS_CA_FILE
  value: /etc/proglog/tls/ca.crt
{{- if $tls.shared }}
- name: PROGLOG_PEER_TLS_SHARED
  value: "true"
{{- end }}
{{- end }}
{{- if include "proglog.hasPolicy" . }}
- name: PROGLOG_ACL_POLICY_FILE
  value: /etc/proglog/acl/policy.csv
{{- end }}
- name: NODE_OPTIONS
  value: --max-old-space-size-percentage={{ .Values.heapPercent }}
# DNS and the disk share the pool: four threads are few when names do not resolve.
- name: UV_THREADPOOL_SIZE
  value: "8"
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "proglog.tlsVolume" -}}
{{- $tls := .Values.tls -}}
{{- $name := include "proglog.fullname" . -}}
{{- if eq $tls.mode "csi" -}}
csi:
  driver: csi.cert-manager.io
  readOnly: true
  volumeAttributes:
    csi.cert-manager.io/issuer-name: {{ $tls.issuer.name }}
    csi.cert-manager.io/issuer-kind: {{ $tls.issuer.kind }}
    csi.cert-manager.io/issuer-group: {{ $tls.issuer.group }}
    csi.cert-manager.io/dns-names: {{ include "proglog.certificateNames" (list . "${POD_NAME}") | quote }}
    csi.cert-manager.io/uri-sans: spiffe://{{ .Values.cluster.name }}/node/${POD_NAME}
    csi.cert-manager.io/key-usages: digital signature,server auth,client auth
    csi.cert-manager.io/key-encoding: PKCS8
    csi.cert-manager.io/duration: {{ $tls.duration }}
    csi.cert-manager.io/renew-before: {{ $tls.renewBefore }}
    csi.cert-manager.io/fs-group: "65532"
{{- else if and (eq $tls.mode "certificates") $tls.shared -}}
secret:
  secretName: {{ $name }}-tls
  defaultMode: 0440
{{- else if eq $tls.mode "certificates" -}}
projected:
  defaultMode: 0440
  sources:
    {{- range $i := until (int .Values.replicas) }}
    - secret:
        name: {{ $name }}-{{ $i }}-tls
        items:
          - key: tls.crt
            path: {{ $name }}-{{ $i }}.crt
          - key: tls.key
            path: {{ $name }}-{{ $i }}.key
          {{- if eq $i 0 }}
          - key: ca.crt
            path: ca.crt
          {{- end }}
    {{- end }}
{{- else -}}
secret:
  secretName: {{ $tls.existingSecret }}
  defaultMode: 0440
{{- end -}}
{{- end -}}
