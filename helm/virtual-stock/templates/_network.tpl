{{/* Egress rules; no `to` is anywhere. */}}
{{- define "virtual-stock.toDns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "virtual-stock.toDatabase" -}}
{{- $database := .root.Values.networkPolicy.database }}
{{- if .root.Values.cnpg.enabled }}
{{- $cluster := include "virtual-stock.cluster" . }}
{{- include "virtual-stock.to" (list (list (dict "podSelector" (dict "matchLabels" (dict "cnpg.io/cluster" $cluster)))) (list 5432)) }}
{{- else }}
{{- include "virtual-stock.to" (list $database.to $database.ports) }}
{{- end }}
{{- end }}

{{- define "virtual-stock.toKafka" -}}
{{- $ports := list }}
{{- range splitList "," .Values.kafka.brokers }}
{{- $ports = append $ports (regexFind "[0-9]+$" (trim .) | default "9092" | int) }}
{{- end }}
{{- include "virtual-stock.to" (list .Values.networkPolicy.kafka (uniq $ports)) }}
{{- end }}

{{/* (list peers ports) */}}
{{- define "virtual-stock.to" -}}
- ports:
    {{- range index . 1 }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with index . 0 }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
