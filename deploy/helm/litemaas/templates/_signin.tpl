{{/* How do people sign in? Settings and secrets of the identity provider. */}}
{{- define "litemaas.provider" -}}
{{- .Values.oauth.authProvider | default (ternary "oidc" "" (ne .Values.oauth.issuer "")) }}
{{- end }}

{{- define "litemaas.isServiceAccountClient" -}}
{{- if and (eq (include "litemaas.provider" .) "openshift") (eq .Values.oauth.mode "serviceaccount") }}true{{ end }}
{{- end }}

{{/* As JSON: the settings that are no secrets. */}}
{{- define "litemaas.signIn" -}}
{{- $o := .Values.oauth }}{{ $provider := include "litemaas.provider" . }}
{{- if and $provider (eq (include "litemaas.exposeKind" .) "none") (not .Values.litemaas.public_url) }}
{{- fail "oauth: people come back from the identity provider to litemaas.public_url; set it, or expose the portal" }}
{{- end }}
{{- if eq $provider "oidc" }}
{{- if not $o.issuer }}{{ fail "oauth.issuer must be set for oauth.authProvider=oidc" }}{{ end }}
{{- dict "oidc_issuer" $o.issuer "oidc_client_id" ($o.clientId | default .Release.Namespace) "oidc_scopes" $o.oidc.scopes "oidc_groups_claim" $o.oidc.groupsClaim | toJson }}
{{- else if eq $provider "openshift" }}
{{- if not (include "litemaas.isOpenShift" .) }}{{ fail "oauth.authProvider=openshift needs global.platform=openshift" }}{{ end }}
{{- $url := $o.issuer }}
{{- if not $url }}
{{- if not .Values.global.clusterDomain }}{{ fail "oauth.issuer or global.clusterDomain must be set: it is the address of OpenShift's OAuth server" }}{{ end }}
{{- $url = printf "https://oauth-openshift.%s" .Values.global.clusterDomain }}
{{- end }}
{{- $client := $o.clientId | default .Release.Namespace }}
{{- if include "litemaas.isServiceAccountClient" . }}
{{- $client = printf "system:serviceaccount:%s:%s" .Release.Namespace (include "litemaas.serviceAccount" (list . "control")) }}
{{- end }}
{{- dict "openshift_oauth_url" $url "openshift_api_url" $o.apiUrl "openshift_client_id" $client "ca_bundle" "/etc/litemaas/cluster-ca/ca.crt" | toJson }}
{{- else }}{}
{{- end }}
{{- end }}

{{- define "litemaas.signInEnv" -}}
{{- $o := .Values.oauth }}{{ $provider := include "litemaas.provider" . }}
{{- $secret := $o.existingSecret | default (include "litemaas.secretName" (list . "control")) }}
{{- if include "litemaas.isServiceAccountClient" . }}
- name: LITEMAAS_OPENSHIFT_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "litemaas.name" (list . "oauthToken") }}, key: token}}
{{- else if eq $provider "openshift" }}
- name: LITEMAAS_OPENSHIFT_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: OAUTH_CLIENT_SECRET}}
{{- else if eq $provider "oidc" }}
- name: LITEMAAS_OIDC_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: OAUTH_CLIENT_SECRET, optional: {{ not $o.existingSecret }}}}
{{- end }}
{{- end }}
