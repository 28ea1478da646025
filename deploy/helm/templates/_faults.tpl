{{- /* Fails with all faults of the values that the schema cannot express. */ -}}
{{- define "sluice.check" -}}
{{- $faults := list }}
{{- with .Values.image }}
{{- if not .repository }}
{{- $faults = append $faults "image.repository is not set: name the image of your project" }}
{{- end }}
{{- if not (or .tag .digest) }}
{{- $faults = append $faults "image.tag and image.digest are not set: set one, so that a pod runs what was deployed" }}
{{- end }}
{{- end }}
{{- if not .Values.secrets.ADMIN_TOKEN }}
{{- $faults = append $faults "secrets.ADMIN_TOKEN is not set: the admin API is open to the network; name a Secret and its key" }}
{{- end }}
{{- if and .Values.config.file .Values.config.existingConfigMap }}
{{- $faults = append $faults "config.file and config.existingConfigMap are both set: set one" }}
{{- end }}
{{- $own := list "HOST" "PORT" "ADMIN_HOST" "ADMIN_PORT" "ADMIN_HOSTS" "WORKERS" "DRAIN_DELAY" "DRAIN_TIMEOUT" }}
{{- range $name, $value := .Values.env }}
{{- if has $name $own }}
{{- $faults = append $faults (printf "env.%s is set by the chart: remove it" $name) }}
{{- else if or (hasKey $.Values.secrets $name) (hasKey $.Values.secrets (trimSuffix "_FILE" $name)) }}
{{- $faults = append $faults (printf "env.%s is also in secrets: set one" $name) }}
{{- else if and (not (hasSuffix "_FILE" $name)) (regexMatch "(TOKEN|SECRET|PASSWORD|PRIVATE_KEY|API_KEY)$" $name) }}
{{- $faults = append $faults (printf "env.%s has the name of a secret: set secrets.%s" $name $name) }}
{{- else if regexMatch "//[^/]*:[^/]*@" (toString $value) }}
{{- $faults = append $faults (printf "env.%s has a URL with a password: set secrets.%s" $name $name) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.secrets }}
{{- if has $name $own }}
{{- $faults = append $faults (printf "secrets.%s is set by the chart: remove it" $name) }}
{{- else if hasSuffix "_FILE" $name }}
{{- $faults = append $faults (printf "secrets.%s: name the variable without _FILE, which the chart adds" $name) }}
{{- end }}
{{- end }}
{{- $labels := dict "podLabels" .Values.podLabels "serviceMonitor.labels" .Values.serviceMonitor.labels "prometheusRule.labels" .Values.prometheusRule.labels }}
{{- range $option, $values := merge $labels (dict "podAnnotations" .Values.podAnnotations) }}
{{- range $name, $_ := $values }}
{{- if regexMatch "^(app\\.kubernetes\\.io|helm\\.sh|sluice)/|^checksum/config$" $name }}
{{- $faults = append $faults (printf "%s.%s is set by the chart: remove it" $option $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.termination }}
{{- if not (add .preStop .drainDelay) }}
{{- $faults = append $faults "termination.preStop and termination.drainDelay are 0: a pod would refuse connections while load balancers still send them" }}
{{- end }}
{{- $seconds := int (include "sluice.stopSeconds" $) }}
{{- if and (not (kindIs "invalid" .gracePeriod)) (lt (int .gracePeriod) $seconds) }}
{{- $faults = append $faults (printf "termination.gracePeriod is %d s: preStop, drainDelay, drainTimeout and 5 s are %d s" (int .gracePeriod) $seconds) }}
{{- end }}
{{- end }}
{{- with .Values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- $faults = append $faults (printf "autoscaling.minReplicas is %d, above maxReplicas %d" (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and .enabled $.Values.resources (not (dig "requests" "cpu" "" $.Values.resources)) }}
{{- $faults = append $faults "autoscaling needs resources.requests.cpu: its target is a share of it" }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.admin) }}
{{- $faults = append $faults "serviceMonitor needs networkPolicy.admin: name the pods of Prometheus, which may not call the admin API otherwise" }}
{{- end }}
{{- if and .Values.prometheusRule.enabled (not .Values.prometheusRule.alerts) }}
{{- $faults = append $faults "prometheusRule.alerts is not set: use --set-file prometheusRule.alerts=node_modules/sluice/deploy/prometheus/alerts.yml" }}
{{- end }}
{{- if $faults }}
{{- fail (printf "\nThe values have %d %s:\n%s" (len $faults) (ternary "fault" "faults" (eq (len $faults) 1)) (join "\n" $faults)) }}
{{- end }}
{{- end }}
