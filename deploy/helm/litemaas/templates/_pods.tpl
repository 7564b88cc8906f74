{{/* What do all pods have in common? */}}
{{/* list root uid: OpenShift chooses user and group itself */}}
{{- define "litemaas.podSecurity" -}}
{{- $root := index . 0 }}{{ $uid := index . 1 -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- if not (include "litemaas.isOpenShift" $root) }}
runAsUser: {{ $uid }}
runAsGroup: {{ $uid }}
fsGroup: {{ $uid }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}

{{- define "litemaas.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* list root part: where a part's pods may run */}}
{{- define "litemaas.scheduling" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $values := index $root.Values $part }}
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "litemaas.spread" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $values := index $root.Values $part -}}
topologySpreadConstraints:
{{- with $values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "litemaas.selector" (list $root $part) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* list settings prefix: every leaf of a tree of settings as a variable */}}
{{- define "litemaas.settings" -}}
{{- $prefix := index . 1 }}
{{- range $name, $value := index . 0 }}
{{- if kindIs "map" $value }}
{{- include "litemaas.settings" (list $value (printf "%s%s__" $prefix (upper $name))) }}
{{- else if not (kindIs "invalid" $value) }}
{{ $prefix }}{{ upper $name }}: {{ include "litemaas.text" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Numbers arrive as floats: 67108864 must not become 6.7108864e+07. */}}
{{- define "litemaas.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}

{{/* list root keys…: variables from Secrets */}}
{{- define "litemaas.secretEnv" -}}
{{- $root := index . 0 }}
{{- range rest . }}
{{- if eq . "database" }}
- name: LITEMAAS_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "litemaas.secretName" (list $root "database") }}, key: DATABASE_URL}}
{{- else if and (eq . "valkey") (include "litemaas.secretName" (list $root "valkey")) }}
- name: LITEMAAS_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ include "litemaas.secretName" (list $root "valkey") }}, key: REDIS_URL}}
{{- else if eq . "master" }}
- name: LITEMAAS_MASTER_KEY
  valueFrom: {secretKeyRef: {name: {{ include "litemaas.secretName" (list $root "master") }}, key: LITELLM_MASTER_KEY}}
{{- else if eq . "control" }}
- name: LITEMAAS_ENCRYPTION_KEY
  valueFrom: {secretKeyRef: {name: {{ include "litemaas.secretName" (list $root "control") }}, key: ENCRYPTION_KEY}}
{{- end }}
{{- end }}
{{- end }}

{{/* list path port probes: a start-up, a readiness and a liveness probe over HTTP */}}
{{- define "litemaas.httpProbes" -}}
{{- $ready := index . 0 }}{{ $live := index . 1 }}{{ $probes := index . 2 -}}
startupProbe:
  httpGet: {path: {{ $live }}, port: http}
  {{- toYaml $probes.startup | nindent 2 }}
readinessProbe:
  httpGet: {path: {{ $ready }}, port: http}
  {{- toYaml $probes.readiness | nindent 2 }}
livenessProbe:
  httpGet: {path: {{ $live }}, port: http}
  {{- toYaml $probes.liveness | nindent 2 }}
{{- end }}

{{- define "litemaas.execProbes" -}}
{{- $command := index . 0 }}{{ $probes := index . 1 }}
{{- range $kind := list "startup" "readiness" "liveness" }}
{{ $kind }}Probe:
  exec: {command: [sh, -c, {{ $command | quote }}]}
  {{- toYaml (get $probes $kind) | nindent 2 }}
{{- end }}
{{- end }}

{{/* Waits for the database and brings its schema up to date; any number of pods may do it at once. */}}
{{- define "litemaas.migrateContainer" -}}
{{- $root := index . 0 }}{{ $resources := $root.Values.migration.resources -}}
name: migrate
image: {{ include "litemaas.image" (list $root $root.Values.control.image) }}
imagePullPolicy: {{ $root.Values.global.imagePullPolicy }}
command: [sh, -c]
args:
  - |
    for try in $(seq 60); do
      litemaas migrate && exit 0
      sleep 5
    done
    exit 1
env:
  {{- include "litemaas.secretEnv" (list $root "database") | nindent 2 }}
  {{- with $root.Values.litemaas.timezone }}
  - {name: LITEMAAS_TIMEZONE, value: {{ . | quote }}}
  {{- end }}
  {{- include "litemaas.caEnv" $root | nindent 2 }}
resources: {{ toYaml $resources | nindent 2 }}
securityContext: {{ include "litemaas.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- include "litemaas.caMount" $root | nindent 2 }}
{{- end }}

{{- define "litemaas.caEnv" -}}
{{- if .Values.caBundle.configMap }}
- {name: SSL_CERT_FILE, value: /etc/litemaas/ca/ca-bundle.crt}
{{- end }}
{{- end }}
{{- define "litemaas.caMount" -}}
{{- if .Values.caBundle.configMap }}
- {name: ca, mountPath: /etc/litemaas/ca, readOnly: true}
{{- end }}
{{- end }}
{{- define "litemaas.caVolume" -}}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca
  configMap: {name: {{ .configMap }}, items: [{key: {{ .key }}, path: ca-bundle.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{/* The volume with which a pod speaks to the cluster's API: only pods that must do so have it. */}}
{{- define "litemaas.clusterAccess" -}}
- name: cluster-access
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}
