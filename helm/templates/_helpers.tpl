{{/* What objects are called; two releases in one namespace never share a name. 45: with "-store", a StatefulSet's own
     suffix and a pod's hash it stays a label's 63. Helm allows dots in a release's name, Services have none. */}}
{{- define "bot.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 45 | trimAll "-" -}}
{{- end -}}

{{/* A label's value: 63 characters, the first and the last a letter or a digit. */}}
{{- define "bot.label" -}}
{{- regexReplaceAll "^[^A-Za-z0-9]+|[^A-Za-z0-9]+$" (trunc 63 .) "" -}}
{{- end -}}

{{/* The name of one workload's objects: (list $ "slack"). All in one, there is but one workload: it has the release's. */}}
{{- define "bot.name" -}}
{{- $root := first . -}}
{{- include "bot.fullname" $root -}}
{{- if eq $root.Values.mode "split" }}-{{ last . }}{{ end -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. */}}
{{- define "bot.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | include "bot.label" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bot.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | include "bot.label" }}
{{ include "bot.selector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | include "bot.label" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "bot.labels" -}}
{{ merge (include "bot.ownLabels" . | fromYaml) .Values.commonLabels | toYaml }}
{{- end -}}

{{- define "bot.podLabels" -}}
{{ merge (include "bot.ownLabels" . | fromYaml) .Values.podLabels .Values.commonLabels | toYaml }}
{{- end -}}

{{/* An image by its digest, else by its tag: (list .Values.image "default tag"). */}}
{{- define "bot.image" -}}
{{- $image := first . -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default (last .) $image.tag }}
{{- end -}}
{{- end -}}

{{- define "bot.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bot.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The restricted profile of the Pod Security Standards. */}}
{{- define "bot.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bot.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the scheduler may put a pod: what every pod of the release has. */}}
{{- define "bot.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "bot.secret" -}}
{{- default (include "bot.fullname" .) .Values.existingSecret -}}
{{- end -}}

{{/* Settings that come from the Secret, and where an inline one stands in the values, for one workload of
     `bot.workloads`: (list $ $workload). No pod holds a secret that it has no use for. */}}
{{- define "bot.secretKeys" -}}
{{- $root := first . }}
{{- $workload := last . }}
{{- /* a gateway never asks the model */}}
{{- if ne $workload.role "gateway" }}
COMPLETIONS_API_KEY: completionsApiKey
{{- end }}
{{- if $workload.slack }}
{{- /* with both, the bot would not know whether it lives in one workspace or in many */}}
{{- if $root.Values.slack.oauth }}
SLACK_CLIENT_ID: slackClientId
SLACK_CLIENT_SECRET: slackClientSecret
{{- else }}
SLACK_BOT_TOKEN: slackBotToken
{{- end }}
{{- /* one of the two: with both, the bot would choose Socket Mode */}}
{{- if eq $root.Values.slack.mode "http" }}
SLACK_SIGNING_SECRET: slackSigningSecret
{{- else }}
SLACK_APP_TOKEN: slackAppToken
{{- end }}
{{- end }}
{{- if $workload.discord }}
DISCORD_TOKEN: discordToken
{{- end }}
{{- if eq $root.Values.store.type "redis" }}
REDIS_URL: redisUrl
{{- if $root.Values.store.redis.sentinelPassword }}
REDIS_SENTINEL_PASSWORD: redisSentinelPassword
{{- end }}
{{- else if eq $root.Values.store.type "bundled" }}
REDIS_PASSWORD: redisPassword
{{- end }}
{{- if $root.Values.store.encrypted }}
ENCRYPTION_KEY: encryptionKey
{{- end }}
{{- end -}}

{{/* The same for all workloads together: what the Secret must hold. */}}
{{- define "bot.allSecretKeys" -}}
{{- include "bot.secretKeys" (list . (dict "role" "all" "slack" .Values.slack.enabled "discord" .Values.discord.enabled)) -}}
{{- end -}}
