{{/* Which names and labels do objects have? */}}
{{- define "litemaas.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* list root part: the name of a part's objects */}}
{{- define "litemaas.name" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}
{{- get $root.Values.names $part | default (printf "%s-%s" (include "litemaas.fullname" $root) (kebabcase $part)) }}
{{- end }}

{{- define "litemaas.selector" -}}
{{- $root := index . 0 }}{{ $part := index . 1 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ $part }}
{{- end }}

{{- define "litemaas.labels" -}}
{{- $root := index . 0 }}
{{- include "litemaas.selector" . }}
app.kubernetes.io/part-of: litemaas
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.global.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* list root part extra-labels extra-annotations: the head of an object */}}
{{- define "litemaas.metadata" -}}
{{- $root := index . 0 }}{{ $part := index . 1 -}}
name: {{ include "litemaas.name" (list $root $part) }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "litemaas.labels" (list $root $part) | nindent 2 }}
  {{- with index . 2 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with index . 3 }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "litemaas.serviceAccount" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $values := index $root.Values $part }}
{{- $values.serviceAccount.name | default (ternary (include "litemaas.name" (list $root $part)) "default" $values.serviceAccount.create) }}
{{- end }}

{{/* list root image: registry, tag and digest as they are configured; our own images follow the chart's version */}}
{{- define "litemaas.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}
{{- $repository := $image.repository }}
{{- with $root.Values.global.imageRegistry }}
{{- $repository = printf "%s/%s" . (splitList "/" $repository | rest | join "/") }}
{{- end }}
{{- if $image.digest }}{{ printf "%s@%s" $repository $image.digest }}
{{- else }}{{ printf "%s:%s" $repository ($image.tag | default $root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "litemaas.isOpenShift" -}}
{{- if eq .Values.global.platform "openshift" }}true{{ end }}
{{- end }}

{{- define "litemaas.exposeKind" -}}
{{- if ne .Values.expose.kind "auto" }}{{ .Values.expose.kind }}
{{- else }}{{ ternary "route" "ingress" (eq .Values.global.platform "openshift") }}
{{- end }}
{{- end }}

{{/* list root part: the host of portal, api or gateway, or nothing where the platform is to choose */}}
{{- define "litemaas.host" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}
{{- $domain := $root.Values.global.clusterDomain }}
{{- if and (not $domain) $root.Values.global.clusterScopedLookups (include "litemaas.isOpenShift" $root) }}
{{- $domain = dig "spec" "domain" "" (lookup "config.openshift.io/v1" "Ingress" "" "cluster") }}
{{- end }}
{{- if get $root.Values.expose.hosts $part }}{{ get $root.Values.expose.hosts $part }}
{{- else if $domain }}{{ printf "%s.%s" (get $root.Values.expose.hostPrefixes $part) $domain }}
{{- else if ne (include "litemaas.exposeKind" $root) "none" }}
{{- fail (printf "expose.hosts.%s or global.clusterDomain must be set: it is the public name of this host (on OpenShift: oc get ingresses.config cluster -o jsonpath={.spec.domain})" $part) }}
{{- end }}
{{- end }}

{{- define "litemaas.scheme" -}}
{{- ternary "https" "http" .Values.expose.tls.enabled }}
{{- end }}
