{{- define "sluice.env" -}}
{{- $name := include "sluice.fullname" . -}}
{{- $hosts := list }}
{{- range list "" (printf ".%s" .Release.Namespace) (printf ".%s.svc" .Release.Namespace) }}
{{- $hosts = append $hosts (printf "%s-admin%s" $name .) }}
{{- end -}}
- { name: HOST, value: 0.0.0.0 }
- { name: PORT, value: "8080" }
- { name: ADMIN_HOST, value: 0.0.0.0 }
- { name: ADMIN_PORT, value: "8081" }
- { name: ADMIN_HOSTS, value: {{ join "," $hosts | quote }} }
- { name: WORKERS, value: {{ .Values.workers | quote }} }
- { name: DRAIN_DELAY, value: {{ mul 1000 .Values.termination.drainDelay | quote }} }
- { name: DRAIN_TIMEOUT, value: {{ mul 1000 .Values.termination.drainTimeout | quote }} }
{{- range $variable, $_ := .Values.secrets }}
- { name: {{ $variable }}_FILE, value: /run/secrets/sluice/{{ $variable }} }
{{- end }}
{{- range $variable, $value := .Values.env }}
{{- /* Helm reads 1000000 as 1e+06. */}}
- { name: {{ $variable }}, value: {{ ternary (int64 $value | toString) (toString $value) (kindIs "float64" $value) | quote }} }
{{- end }}
{{- end }}

{{- define "sluice.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $variable, $source := .Values.secrets }}
      - secret:
          name: {{ $source.secret | quote }}
          items:
            - { key: {{ $source.key | quote }}, path: {{ $variable }} }
      {{- end }}
{{- with include "sluice.configMap" . }}
- name: config
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
