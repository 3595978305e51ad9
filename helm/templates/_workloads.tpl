{{/* Which pods there are. Every other template goes through this table, so a workload is added or taken away here.

  role      what the process does: run --role
  slack     whether it has Slack's tokens; discord: Discord's
  http      whether somebody outside calls it
  scaled    whether an autoscaler sets the replicas
  own       its own values
*/}}
{{- define "bot.workloads" -}}
{{- $slackHttp := and .Values.slack.enabled (eq .Values.slack.mode "http") }}
{{- $discordHttp := and .Values.discord.enabled (not (empty .Values.config.DISCORD_PUBLIC_KEY)) }}
{{- if eq .Values.mode "all-in-one" }}
bot:
  role: all
  slack: {{ .Values.slack.enabled }}
  discord: {{ .Values.discord.enabled }}
  http: {{ or $slackHttp $discordHttp }}
  scaled: false
  own: {{- toYaml .Values.allInOne | nindent 4 }}
{{- else }}
{{- if .Values.slack.enabled }}
slack:
  role: gateway
  slack: true
  discord: false
  http: {{ $slackHttp }}
  scaled: false
  own: {{- pick .Values.slack "replicas" "resources" | toYaml | nindent 4 }}
{{- end }}
{{- if .Values.discord.enabled }}
discord:
  role: gateway
  slack: false
  discord: true
  http: {{ $discordHttp }}
  scaled: false
  own: {{- pick .Values.discord "replicas" "resources" | toYaml | nindent 4 }}
{{- end }}
worker:
  role: worker
  slack: {{ .Values.slack.enabled }}
  discord: {{ .Values.discord.enabled }}
  http: false
  scaled: {{ ne .Values.worker.autoscaling.type "none" }}
  own: {{- pick .Values.worker "replicas" "resources" | toYaml | nindent 4 }}
{{- end }}
{{- end -}}

{{/* What is published, and which workload serves it. Health and metrics stay inside the cluster. */}}
{{- define "bot.paths" -}}
{{- $slack := ternary "slack" "bot" (eq .Values.mode "split") }}
{{- $discord := ternary "discord" "bot" (eq .Values.mode "split") }}
{{- if and .Values.slack.enabled (eq .Values.slack.mode "http") }}
/slack/events: {{ $slack }}
{{- if .Values.slack.oauth }}
/slack/install: {{ $slack }}
/slack/oauth_redirect: {{ $slack }}
{{- end }}
{{- end }}
{{- if and .Values.discord.enabled .Values.config.DISCORD_PUBLIC_KEY }}
/discord/interactions: {{ $discord }}
{{- end }}
{{- end -}}
