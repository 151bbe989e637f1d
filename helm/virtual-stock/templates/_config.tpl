{{/* The TOML file of a service: what its values say, and what follows from the rest of the chart's values. */}}
{{- define "virtual-stock.config" -}}
{{- $values := .root.Values }}
{{- $topics := $values.topics }}
{{- $config := deepCopy .service.config }}
{{- if not (dig "auth" "mode" "" $config) }}
{{- $config = mergeOverwrite $config (dict "auth" (dict "mode" "required")) }}
{{- end }}
{{- include "virtual-stock.checkAuth" (list .values $config.auth) }}
{{- $own := dict
  "http" (dict "listen" (printf "%s:%v" $values.listenAddress .http))
  "management" (dict "listen" (printf "%s:%v" $values.listenAddress .management))
  "kafka" (dict "brokers" (required "kafka.brokers is needed: host:port, separated by commas" $values.kafka.brokers)
    "options" (include "virtual-stock.kafkaOptions" .root | fromYaml))
  "traces" (dict "ratio" $values.traces.ratio)
  "shutdown" (dict "drain" (printf "%vs" .service.drainSeconds)) }}
{{- with $values.traces.endpoint }}
{{- $_ := set $own.traces "endpoint" . }}
{{- end }}
{{- $named := dict "high_priority" "highPriority" "normal" "normal" "critical" "critical" "audit" "audit" "clock" "clock" }}
{{- if eq .component "acl" }}
{{- $named = dict "retry" "retry" "dead_letter" "deadLetter" "clock" "clock" }}
{{- if not $config.subscriptions }}
{{- fail "acl.config.subscriptions is needed: it says where the partners are" }}
{{- end }}
{{- end }}
{{- $tables := dict "prefix" $topics.prefix }}
{{- range $setting, $value := $named }}
{{- $topic := index $topics $value }}
{{- $_ := set $tables $setting (dict "name" $topic.name "partitions" $topic.partitions "replication" $topics.replication
  "retention" (printf "%vdays" $topic.retentionDays)) }}
{{- end }}
{{- $_ := set $own "topics" $tables }}
{{- include "virtual-stock.toml" (mergeOverwrite $config $own) }}
{{- end }}

{{/* The service would refuse to listen for strangers without credentials: (list name auth). */}}
{{- define "virtual-stock.checkAuth" -}}
{{- $auth := index . 1 }}
{{- if and (eq $auth.mode "required") (not $auth.api_keys) (not (dig "jwt" "jwks_url" "" $auth)) }}
{{- fail (printf "%s.config.auth is needed: api_keys or jwt, or mode none and allow_open" (index . 0)) }}
{{- end }}
{{- if and (eq $auth.mode "none") (not $auth.allow_open) }}
{{- fail (printf "%s.config.auth.mode is none, so allow_open has to be true: everybody who gets through may do everything" (index . 0)) }}
{{- end }}
{{- end }}

{{/* TOML of a map. Helm's toToml writes whole numbers as 3.0, which the services refuse. */}}
{{- define "virtual-stock.toml" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "map" $value) }}
{{- include "virtual-stock.tomlKey" $key }} = {{ include "virtual-stock.tomlValue" $value }}
{{ end }}
{{- end }}
{{- range $table, $settings := . }}
{{- if kindIs "map" $settings }}
[{{ include "virtual-stock.tomlKey" $table }}]
{{- range $key, $value := $settings }}
{{ include "virtual-stock.tomlKey" $key }} = {{ include "virtual-stock.tomlValue" $value }}
{{- end }}
{{ end }}
{{- end }}
{{- end }}

{{- define "virtual-stock.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- define "virtual-stock.tomlValue" -}}
{{- if kindIs "map" . }}
{{- $members := list }}
{{- range $key, $value := . }}
{{- $members = append $members (printf "%s = %s" (include "virtual-stock.tomlKey" $key) (include "virtual-stock.tomlValue" $value)) }}
{{- end -}}
{ {{- join ", " $members -}} }
{{- else if kindIs "slice" . }}
{{- $members := list }}
{{- range . }}
{{- $members = append $members (include "virtual-stock.tomlValue" .) }}
{{- end -}}
[{{ join ", " $members }}]
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}
{{- printf "%d" (int64 .) }}
{{- else }}
{{- toJson . }}
{{- end }}
{{- end }}
