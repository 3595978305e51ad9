"""Every metric's name, in Prometheus style: base units, few labels, never a user, channel or workspace.

Conservation: accepted = answered + failed + withdrawn + what is still in the inbox. An alert on it finds silent loss.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
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
        self.platform_errors = self._counter("platform_errors", "Failed writes", ("platform", "kind"))
        self.tokens = self._counter("tokens", "Tokens as counted by the completions API", ("type",))
        self.running = Gauge("bot_mentions_running", "Mentions in work now", registry=self.registry)
        self.depth = Gauge("bot_queue_depth", "Conversations waiting or in work", registry=self.registry)
        self.oldest = Gauge("bot_queue_oldest_due_seconds", "How long the oldest has been due", registry=self.registry)
        self.last_heard = Gauge(
            "bot_last_heard_seconds",
            "Since the platform last answered on its live connection",
            of_platform,
            registry=self.registry,
        )
        self.refused_calls = Gauge(
            "bot_refused_calls",
            "Calls of the last 10 minutes that count towards a ban of this address",
            ("platform", "status"),
            registry=self.registry,
        )
        self.ack = self._histogram("ack_seconds", "Delivery to durable", _QUICK)
        self.first_visible = self._histogram("time_to_first_visible_seconds", "Accepted to first text", _SLOW)
        self.reply = self._histogram("reply_seconds", "Accepted to the finished answer", _SLOW)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"bot_{name}_total", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"bot_{name}", text, ("platform",), buckets=buckets, registry=self.registry)
