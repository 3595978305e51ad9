"""A run of the suite that looks for what people said, and for secrets, in every log line and metric: `make canary`.

With `--canary` every logger is at debug, and each line is formatted as production formats it. The fakes tell what
people and models said in them; a test ends with an error where a line holds such a text, or a token of theirs.
"""

import logging
import re
from collections.abc import Generator
from typing import Final

import pytest
from prometheus_client import generate_latest

from bot import logs
from bot.metrics import Metrics

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
            self.lines.append(self.format(record))


def heard(lines: list[str]) -> list[str]:
    """The lines that hold what somebody said."""
    if not _said:
        return []
    # JSON escapes quotes and line ends, so each text is looked for by its longest plain part.
    parts = {max(re.split(r'["\\\n\r\t]', text), key=len) for text in _said}
    wanted = [part for part in parts if len(part) >= SHORTEST]
    return [line for line in lines if any(part in line for part in wanted)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--canary", action="store_true", help="look for texts and secrets in all log lines, at debug")


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
    if found:
        pytest.fail(f"{len(found)} lines tell what people said, or a secret; the first: {found[0][:600]}")
