{{/* What objects are called; two releases in one namespace never share a name. */}}
{{- define "bot.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. */}}
{{- define "bot.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bot.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "bot.selector" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "bot.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "bot.secret" -}}
{{- default (include "bot.fullname" .) .Values.existingSecret -}}
{{- end -}}

{{- define "bot.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bot.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Whether Slack calls us. */}}
{{- define "bot.http" -}}
{{- if and .Values.slack.enabled (eq .Values.slack.mode "http") }}true{{ end -}}
{{- end -}}

{{/* Seconds between the removal from the Service and SIGTERM: a proxy may still send requests meanwhile. */}}
{{- define "bot.preStopSeconds" -}}
{{- if include "bot.http" . }}5{{ else }}0{{ end -}}
{{- end -}}

{{/* Names of the settings that come from the Secret, and where an inline one stands in the values. */}}
{{- define "bot.secretKeys" -}}
COMPLETIONS_API_KEY: completionsApiKey
{{- if .Values.slack.enabled }}
{{- /* with both, the bot would not know whether it lives in one workspace or in many */}}
{{- if .Values.slack.oauth }}
SLACK_CLIENT_ID: slackClientId
SLACK_CLIENT_SECRET: slackClientSecret
{{- else }}
SLACK_BOT_TOKEN: slackBotToken
{{- end }}
{{- /* one of the two: with both, the bot would choose Socket Mode */}}
{{- if include "bot.http" . }}
SLACK_SIGNING_SECRET: slackSigningSecret
{{- else }}
SLACK_APP_TOKEN: slackAppToken
{{- end }}
{{- end }}
{{- if .Values.discord.enabled }}
DISCORD_TOKEN: discordToken
{{- end }}
{{- if eq .Values.store.type "redis" }}
REDIS_URL: redisUrl
{{- end }}
{{- if .Values.store.encrypted }}
ENCRYPTION_KEY: encryptionKey
{{- end }}
{{- end -}}

{{/* The restricted profile of the Pod Security Standards. */}}
{{- define "bot.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "bot.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}
