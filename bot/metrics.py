"""Every metric's name, in Prometheus style: base units, few labels, never a user, channel or workspace.

Conservation: what was taken has ended or waits. `bot_inbox_unaccounted` is the difference, of all processes together,
as the store counts it (see `bot.inbox.tally`); an alert on it finds silent loss, which no rate of errors shows.

What is asked of the model is measured by OpenTelemetry's GenAI conventions (semantic-conventions-genai, client metrics,
read November 2026; status Development), as Prometheus writes their names: dots become underscores, seconds are named.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.errors import CompletionError

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_TOKENS = tuple(4.0**power for power in range(14))  # the conventions' own, like those of the duration
_ASKED = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_SLOW = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640)


class Metrics:
    """The bot's metrics in a registry of their own, so that several bots can live in one test process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of_platform = ("platform",)
        self.accepted = self._counter("mentions_accepted", "Mentions taken into the inbox", of_platform)
        self.duplicates = self._counter("mentions_duplicate", "Deliveries of a mention already taken", of_platform)
        self.ignored = self._counter("mentions_ignored", "Follow-ups that were not for the bot", of_platform)
        self.refused = self._counter("mentions_refused", "Mentions Redis did not take; not acknowledged", of_platform)
        self.answered = self._counter("mentions_answered", "Mentions answered", ("platform", "outcome"))
        self.failed = self._counter("mentions_failed", "Mentions given up with a notice", ("platform", "reason"))
        self.withdrawn = self._counter("mentions_withdrawn", "Mentions deleted before their answer", of_platform)
        self.changes = self._counter("changes", "Edits and deletions of messages", ("platform", "outcome"))
        self.stops = self._counter("stops", "Wishes to stop an answer", ("platform", "outcome"))
        self.feedback = self._counter("feedback", "What people thought of answers", ("platform", "verdict"))
        self.fallbacks = self._counter("stream_fallback", "Answers not streamed natively", ("platform", "reason"))
        self.completion_errors = self._counter("completion_errors", "Failed completions requests", ("kind",))
        for error in CompletionError.__subclasses__():
            # At 0 from the start: a series that begins with 1 has not increased, says Prometheus.
            self.completion_errors.labels(error.__name__.lower())
        self.platform_errors = self._counter("platform_errors", "Failed writes", ("platform", "kind"))
        self.limited = self._counter("limited_calls", "Calls answered with 429, by a platform or the model", ("by",))
        self.running = self._gauge("mentions_running", "Mentions in work now")
        self.depth = self._gauge("queue_depth", "Conversations waiting or in work")
        self.oldest = self._gauge("queue_oldest_due_seconds", "How long the oldest has been due")
        self.events = self._gauge("inbox_events", "Events taken by all processes, and their ends", ("state",))
        self.unaccounted = self._gauge("inbox_unaccounted", "Events taken that neither ended nor wait")
        self.dead = self._gauge("dead_letters", "Mentions given up and kept for the operator")
        self.durable = self._gauge("store_durable", "Whether Redis answers and keeps what it takes")
        self.ready = self._gauge("ready", "Whether nothing keeps this process from its work")
        self.connected = self._gauge("connected", "Whether what the platform sends arrives here", of_platform)
        self.last_heard = self._gauge(
            "last_heard_seconds", "Since the platform last answered on its live connection", of_platform
        )
        self.refused_calls = self._gauge(
            "refused_calls",
            "Calls of the last 10 minutes that count towards a ban of this address",
            ("platform", "status"),
        )
        self.build = self._gauge("build_info", "The build and role of this process", ("version", "revision", "role"))
        self.ack = self._histogram("ack_seconds", "Delivery to durable", _QUICK)
        self.first_visible = self._histogram("time_to_first_visible_seconds", "Accepted to first text", _SLOW)
        self.reply = self._histogram("reply_seconds", "Accepted to the finished answer", _SLOW)
        asked = ("gen_ai_provider_name", "gen_ai_request_model")
        self.tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one request as the model service counts them",
            (*asked, "gen_ai_token_type"),
            buckets=_TOKENS,
            registry=self.registry,
        )
        self.operation = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Asked to the end of the model's answer",
            (*asked, "error_type"),
            buckets=_ASKED,
            registry=self.registry,
        )
        self.first_chunk = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Asked to the model's first text",
            asked,
            buckets=_ASKED,
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"bot_{name}_total", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"bot_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"bot_{name}", text, ("platform",), buckets=buckets, registry=self.registry)
