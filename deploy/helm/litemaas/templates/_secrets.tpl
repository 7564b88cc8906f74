{{/* Where does each secret come from? Given here, generated once and kept, or in a Secret that exists. */}}

{{/* list root which: the name of the Secret with database, valkey, master or control */}}
{{- define "litemaas.secretName" -}}
{{- $root := index . 0 }}{{ $which := index . 1 }}{{ $v := $root.Values }}
{{- if eq $which "database" }}
{{- if $v.postgresql.enabled }}{{ $v.postgresql.existingSecret | default (include "litemaas.name" (list $root "databaseSecret")) }}
{{- else }}{{ $v.postgresql.external.existingSecret | default (include "litemaas.name" (list $root "databaseSecret")) }}
{{- end }}
{{- else if eq $which "valkey" }}
{{- if $v.valkey.enabled }}{{ $v.valkey.existingSecret | default (include "litemaas.name" (list $root "valkeySecret")) }}
{{- else if $v.valkey.external.existingSecret }}{{ $v.valkey.external.existingSecret }}
{{- else if $v.valkey.external.host }}{{ include "litemaas.name" (list $root "valkeySecret") }}
{{- end }}
{{- else if eq $which "master" }}{{ $v.secrets.master.existingSecret | default (include "litemaas.name" (list $root "masterSecret")) }}
{{- else if eq $which "control" }}{{ $v.secrets.control.existingSecret | default (include "litemaas.name" (list $root "controlSecret")) }}
{{- end }}
{{- end }}

{{/* Whether this chart owns that Secret. */}}
{{- define "litemaas.ownsSecret" -}}
{{- $root := index . 0 }}{{ $which := index . 1 }}{{ $v := $root.Values }}
{{- $existing := "" }}
{{- if eq $which "database" }}{{ $existing = ternary $v.postgresql.existingSecret $v.postgresql.external.existingSecret $v.postgresql.enabled }}
{{- else if eq $which "valkey" }}{{ $existing = ternary $v.valkey.existingSecret $v.valkey.external.existingSecret $v.valkey.enabled }}
{{- else }}{{ $existing = (index $v.secrets $which).existingSecret }}
{{- end }}
{{- if and $v.secrets.create (not $existing) (include "litemaas.secretName" .) }}true{{ end }}
{{- end }}

{{/* list what text: refuses secrets that are made of few different characters; length and words are the schema's part */}}
{{- define "litemaas.strong" -}}
{{- if lt (splitList "" (index . 1) | uniq | len) 6 }}
{{- fail (printf "%s is too weak: it consists of fewer than six different characters" (index . 0)) }}
{{- end }}
{{- index . 1 }}
{{- end }}

{{/* list root secret key given what prefix length: given, else what the cluster has, else new */}}
{{- define "litemaas.kept" -}}
{{- $root := index . 0 }}{{ $given := index . 3 }}
{{- $old := dig "data" (index . 2) "" (lookup "v1" "Secret" $root.Release.Namespace (index . 1)) }}
{{- if $given }}{{ include "litemaas.strong" (list (index . 4) $given) }}
{{- else if $old }}{{ $old | b64dec }}
{{- else }}{{ index . 5 }}{{ randAlphaNum (index . 6) }}
{{- end }}
{{- end }}

{{- define "litemaas.inUrl" -}}
{{- . | urlquery | replace "+" "%20" }}
{{- end }}

{{/* The contents of all Secrets that this chart owns, as JSON: computed once per rendering, for they may be random. */}}
{{- define "litemaas.secretData" -}}
{{- if not (hasKey .Values "computedSecrets") }}
{{- $all := dict }}
{{- range $which := list "database" "valkey" "master" "control" }}
{{- if include "litemaas.ownsSecret" (list $ $which) }}
{{- $_ := set $all $which (include (printf "litemaas.data.%s" $which) (list $ (include "litemaas.secretName" (list $ $which))) | fromJson) }}
{{- end }}
{{- end }}
{{/* Older playbooks read the administrator's key out of the control plane's Secret. */}}
{{- if and (hasKey $all "control") (hasKey $all "master") }}{{ $_ := set $all.control "ADMIN_API_KEY" $all.master.LITELLM_MASTER_KEY }}{{ end }}
{{- $_ := set .Values "computedSecrets" (toJson $all) }}
{{- end }}
{{- .Values.computedSecrets }}
{{- end }}

{{- define "litemaas.data.database" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $pg := $root.Values.postgresql }}
{{- if $pg.enabled }}
{{- $password := include "litemaas.kept" (list $root $name "password" $pg.password "postgresql.password" "" 32) }}
{{- dict "username" $pg.username "password" $password "database" $pg.database "DATABASE_URL" (printf "postgresql://%s:%s@%s:5432/%s" (include "litemaas.inUrl" $pg.username) (include "litemaas.inUrl" $password) (include "litemaas.name" (list $root "postgresql")) (include "litemaas.inUrl" $pg.database)) | toJson }}
{{- else }}
{{- $ext := $pg.external }}
{{- if not (and $ext.host $ext.username $ext.password) }}{{ fail "postgresql.external: name an existingSecret, or host, username and password" }}{{ end }}
{{- $password := include "litemaas.strong" (list "postgresql.external.password" $ext.password) }}
{{- dict "username" $ext.username "password" $password "database" $ext.database "DATABASE_URL" (printf "postgresql://%s:%s@%s:%d/%s?sslmode=%s" (include "litemaas.inUrl" $ext.username) (include "litemaas.inUrl" $password) $ext.host (int $ext.port) (include "litemaas.inUrl" $ext.database) $ext.sslmode) | toJson }}
{{- end }}
{{- end }}

{{- define "litemaas.data.valkey" -}}
{{- $root := index . 0 }}{{ $valkey := $root.Values.valkey }}
{{- if $valkey.enabled }}
{{- $password := include "litemaas.kept" (list $root (index . 1) "password" $valkey.password "valkey.password" "" 32) }}
{{- dict "password" $password "REDIS_URL" (printf "redis://:%s@%s:6379/0" (include "litemaas.inUrl" $password) (include "litemaas.name" (list $root "valkey"))) | toJson }}
{{- else }}
{{- $ext := $valkey.external }}
{{- if not $ext.password }}{{ fail "valkey.external: name an existingSecret, or host and password" }}{{ end }}
{{- $password := include "litemaas.strong" (list "valkey.external.password" $ext.password) }}
{{- dict "password" $password "REDIS_URL" (printf "%s://:%s@%s:%d/0" (ternary "rediss" "redis" $ext.tls) (include "litemaas.inUrl" $password) $ext.host (int $ext.port)) | toJson }}
{{- end }}
{{- end }}

{{- define "litemaas.data.master" -}}
{{- $root := index . 0 }}{{ $given := $root.Values.secrets.master }}
{{- $key := include "litemaas.kept" (list $root (index . 1) "LITELLM_MASTER_KEY" $given.masterKey "secrets.master.masterKey" "sk-" 32) }}
{{- dict "LITELLM_MASTER_KEY" $key "UI_USERNAME" $given.uiUsername "UI_PASSWORD" $key | toJson }}
{{- end }}

{{- define "litemaas.data.control" -}}
{{- $root := index . 0 }}{{ $given := $root.Values.secrets.control }}
{{- $data := dict "ENCRYPTION_KEY" (include "litemaas.kept" (list $root (index . 1) "ENCRYPTION_KEY" $given.encryptionKey "secrets.control.encryptionKey" "" 32)) }}
{{- with $given.smtpUrl }}{{ $_ := set $data "SMTP_URL" . }}{{ end }}
{{- with $root.Values.oauth.clientSecret }}{{ $_ := set $data "OAUTH_CLIENT_SECRET" . }}{{ end }}
{{- toJson $data }}
{{- end }}

{{/* list root which…: a checksum that changes when one of these secrets does, so that exactly its consumers start anew */}}
{{- define "litemaas.secretChecksum" -}}
{{- $root := index . 0 }}{{ $seen := dict }}
{{- $owned := include "litemaas.secretData" $root | fromJson }}
{{- range $which := rest . }}
{{- $name := include "litemaas.secretName" (list $root $which) }}
{{- if hasKey $owned $which }}{{ $_ := set $seen $which (get $owned $which) }}
{{- else if $name }}{{ $_ := set $seen $which (list $name (dig "data" dict (lookup "v1" "Secret" $root.Release.Namespace $name))) }}
{{- end }}
{{- end }}
{{- printf "%s %s" $root.Release.Name (toJson $seen) | sha256sum }}
{{- end }}

{{/* Where backups lie, and what opens the bucket. */}}
{{- define "litemaas.backupTarget" -}}
{{- with .Values.backup.s3 }}
{{- if .enabled }}
{{- if not (and .bucket .existingSecret) }}{{ fail "backup.s3 needs bucket and existingSecret" }}{{ end }}
- {name: LITEMAAS_BACKUP_TARGET, value: {{ printf "s3://%s/%s" .bucket .prefix | trimSuffix "/" }}}
- {name: AWS_REGION, value: {{ .region | quote }}}
{{- with .endpoint }}
- {name: AWS_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- $secret := .existingSecret }}
{{- range $key := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
{{- end }}
{{- else }}
- {name: LITEMAAS_BACKUP_TARGET, value: /backups}
{{- end }}
{{- end }}
{{- end }}
