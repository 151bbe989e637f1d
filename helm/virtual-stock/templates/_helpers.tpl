{{/* What is fixed about the two services, by their component label, which is also `job` in the rules and dashboards. */}}
{{- define "virtual-stock.services" -}}
virtual-stock: {values: virtualStock, suffix: api, prefix: VIRTUAL_STOCK, http: 8080, management: 9080}
acl: {values: acl, suffix: acl, prefix: ACL, http: 8081, management: 9081}
{{- end }}

{{/* The name of an object: (list root suffix). One that is too long is cut, and stays different from others by a hash. */}}
{{- define "virtual-stock.name" -}}
{{- $root := index . 0 }}
{{- include "virtual-stock.cut" (list (printf "%s-%s" ($root.Values.fullnameOverride | default $root.Release.Name) (index . 1)) 63) }}
{{- end }}

{{/* The name of a service's PostgreSQL cluster: the operator allows 50 characters. */}}
{{- define "virtual-stock.cluster" -}}
{{- include "virtual-stock.cut" (list (include "virtual-stock.name" (list .root (printf "%s-db" .suffix))) 50) }}
{{- end }}

{{- define "virtual-stock.cut" -}}
{{- $name := index . 0 }}
{{- $most := index . 1 }}
{{- if gt (len $name) $most }}
{{- printf "%s-%s" ($name | trunc (sub $most 9 | int) | trimSuffix "-") ($name | sha256sum | trunc 8) }}
{{- else }}
{{- $name }}
{{- end }}
{{- end }}

{{/* Labels that never change: (list root component). */}}
{{- define "virtual-stock.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels: (list root component). */}}
{{- define "virtual-stock.labels" -}}
{{ include "virtual-stock.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: virtual-stock
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* An image: (list root image). */}}
{{- define "virtual-stock.image" -}}
{{- $image := index . 1 }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}
{{- else }}{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Pod Security "restricted", of pods and of containers. */}}
{{- define "virtual-stock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "virtual-stock.containerSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The port of a URL. */}}
{{- define "virtual-stock.port" -}}
{{- $url := urlParse . }}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- end }}

{{/* Settings of librdkafka; the users that Strimzi makes have SCRAM. */}}
{{- define "virtual-stock.kafkaOptions" -}}
{{- if .Values.strimzi.users }}
{{- mergeOverwrite (dict "security.protocol" "SASL_PLAINTEXT") .Values.kafka.options (dict "sasl.mechanism" "SCRAM-SHA-512") | toYaml }}
{{- else }}
{{- .Values.kafka.options | toYaml }}
{{- end }}
{{- end }}
