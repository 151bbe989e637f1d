{{/* What the pods of a service and of its Jobs have in common. Of the credentials, a Job gets those of its task. */}}
{{- define "virtual-stock.podCommon" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "virtual-stock.podSecurity" . | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $.root.Values.pod $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
volumes:
  - name: config
    configMap: {name: {{ .configMap }}}
  {{- range .service.mounts }}
  - name: {{ .name }}
    {{- if .secret }}
    secret: {secretName: {{ .secret }}, defaultMode: 0440}
    {{- else }}
    configMap: {name: {{ .configMap }}}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "virtual-stock.container" -}}
image: {{ include "virtual-stock.image" (list .root .service.image) }}
imagePullPolicy: {{ .service.image.pullPolicy }}
args: [--config, /etc/virtual-stock/config/config.toml, {{ join ", " .arguments }}]
env:
  {{- include "virtual-stock.env" . | trim | nindent 2 }}
securityContext:
  {{- include "virtual-stock.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/virtual-stock/config, readOnly: true}
  {{- range .service.mounts }}
  - {name: {{ .name }}, mountPath: /etc/virtual-stock/{{ .name }}, readOnly: true}
  {{- end }}
{{- end }}

{{- define "virtual-stock.env" -}}
{{- if has "database" .credentials }}
{{- include "virtual-stock.databaseEnv" . }}
{{- end }}
{{- if has "kafka" .credentials }}
{{- include "virtual-stock.kafkaEnv" . }}
{{- end }}
{{- range $name, $value := .service.env }}
- {name: {{ $name }}, value: {{ quote $value }}}
{{- end }}
{{- range $name, $secret := .service.secretEnv }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $secret.name }}, key: {{ $secret.key }}}}
{{- end }}
{{- end }}

{{/* CloudNativePG makes a Secret for each cluster; its `uri` leads past the pooler. */}}
{{- define "virtual-stock.databaseEnv" -}}
{{- $name := printf "%s__DATABASE__URL" .prefix }}
{{- $cluster := include "virtual-stock.cluster" . }}
{{- if and .root.Values.cnpg.enabled .root.Values.cnpg.pooler.enabled }}
{{- range $key := list "username" "password" "dbname" }}
- name: DATABASE_{{ upper $key }}
  valueFrom: {secretKeyRef: {name: {{ $cluster }}-app, key: {{ $key }}}}
{{- end }}
{{- $pooler := include "virtual-stock.name" (list .root (printf "%s-pooler" .suffix)) }}
- name: {{ $name }}
  value: postgres://$(DATABASE_USERNAME):$(DATABASE_PASSWORD)@{{ $pooler }}:5432/$(DATABASE_DBNAME)
{{- else if .root.Values.cnpg.enabled }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $cluster }}-app, key: uri}}
{{- else }}
{{- $secret := required (printf "%s.database.secretName is needed" .values) .service.database.secretName }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ .service.database.secretKey }}}}
{{- end }}
{{- end }}

{{/* A variable of its own cannot name a setting with a dot in its name, so that both are one value. */}}
{{- define "virtual-stock.kafkaEnv" -}}
{{- $user := include "virtual-stock.name" (list .root .suffix) }}
{{- $credentials := .service.kafkaCredentials }}
{{- if or .root.Values.strimzi.users $credentials.secretName }}
{{- if .root.Values.strimzi.users }}
- {name: KAFKA_USERNAME, value: {{ $user }}}
- name: KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $user }}, key: password}}
{{- else }}
- name: KAFKA_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $credentials.secretName }}, key: {{ $credentials.usernameKey }}}}
- name: KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $credentials.secretName }}, key: {{ $credentials.passwordKey }}}}
{{- end }}
- name: {{ .prefix }}__KAFKA__OPTIONS
  value: '{"sasl.username"="$(KAFKA_USERNAME)","sasl.password"="$(KAFKA_PASSWORD)"}'
{{- end }}
{{- end }}
