"""A run of the suite that looks for what people said, and for secrets, wherever an operator looks: `make canary`.

With `--canary` every logger is at debug, and each line is formatted as production formats it; bots of the test's own
process trace what they do. The fakes tell what people and models said in them; a test ends with an error where a log
line, a metric, a span or a line of `dead list` holds such a text, or a token of theirs. What a given-up mention is kept
with for `dead retry` holds it where there is no ENCRYPTION_KEY, and must not where there is one (docs/decisions/0018).
"""

import asyncio
import logging
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest
from prometheus_client import generate_latest

from bot import logs
from bot.metrics import Metrics

if TYPE_CHECKING:  # a run without --canary imports nothing for it
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SHORTEST: Final = 12
"""Characters. Shorter texts are words that a log line may well hold by itself."""

_said: set[str] = set()


def said(text: str) -> None:
    """Somebody said this, perhaps to the bot, or a key is this."""
    text = re.sub(r"^<@\w+>\s*", "", text).strip()
    if len(text) >= SHORTEST:
        _said.add(text)


class _Lines(logging.Handler):
    """Everything that was logged, as it would have been written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logs.Json(logs.redaction()))

    def emit(self, record: logging.LogRecord) -> None:
        # The libraries in `CAPS` are never let through, whatever the level.
        if record.levelno >= logs.CAPS.get(record.name.partition(".")[0], 0):
            try:
                self.lines.append(self.format(record))
            except Exception:  # noqa: BLE001 - logging's wall: what cannot be formatted is no line anywhere
                self.handleError(record)


def heard(lines: list[str]) -> list[str]:
    """The lines that hold what somebody said."""
    if not _said:
        return []
    # JSON escapes quotes and line ends, so each text is looked for by its longest plain part.
    parts = {max(re.split(r'["\\\n\r\t]', text), key=len) for text in _said}
    wanted = [part for part in parts if len(part) >= SHORTEST]
    return [line for line in lines if any(part in line for part in wanted)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--canary", action="store_true", help="look for texts and secrets in logs, metrics, traces, dead letters"
    )


@pytest.fixture(autouse=True)
def canary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    if not request.config.getoption("--canary"):
        yield
        return
    _said.clear()
    metrics: list[Metrics] = []
    made = Metrics.__init__

    def noted(self: Metrics) -> None:
        made(self)
        metrics.append(self)

    monkeypatch.setattr(Metrics, "__init__", noted)
    spans = _traced(monkeypatch)
    lines, root = _Lines(), logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(lines)
        root.setLevel(level)
    found = heard(lines.lines)
    found += heard([generate_latest(one.registry).decode() for one in metrics])
    found += heard([span.to_json(indent=None) for one in spans for span in one.get_finished_spans()])
    if "valkey_url" in request.fixturenames:
        found += heard(asyncio.run(_given_up(request.getfixturevalue("valkey_url"))))
    if found:
        pytest.fail(f"{len(found)} lines tell what people said, or a secret; the first: {found[0][:600]}")


def _traced(monkeypatch: pytest.MonkeyPatch) -> "list[InMemorySpanExporter]":
    """The spans of each bot that is made, unless its test sees to that."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from bot.process import Bot
    from bot.tracing import Tracing

    exporters: list[InMemorySpanExporter] = []
    made = Bot.__init__

    def tracing(self: Bot, *given: Any, **more: Any) -> None:
        if "tracing" not in more:
            exporters.append(InMemorySpanExporter())
            more["tracing"] = Tracing(exporters[-1])
        made(self, *given, **more)

    monkeypatch.setattr(Bot, "__init__", tracing)
    return exporters


async def _given_up(url: str) -> list[str]:
    """What `dead list` prints, and what Redis holds of those that are sealed."""
    from bot import operating, store
    from bot.inbox.letters import Letters
    from bot.settings import load

    settings = load(environ={"REDIS_URL": url}).core
    async with store.of(settings) as redis:
        sealed = [letter.raw for letter in await Letters(redis).all() if "sealed:" in letter.content]
    return [*await operating.dead(settings), *sealed]
