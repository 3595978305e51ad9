"""How log lines look and what never stands in one.

A record is an event name plus fields: one JSON object a line, or a short coloured line on a terminal. All of it
is redacted after it was put together, exception texts and other libraries' lines too. The debug lines of the
libraries in `CAPS` are left out at every LOG_LEVEL, because they print messages and requests.
"""

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, TextIO, cast
from urllib.parse import quote

Redact = Callable[[str], str]

HIDDEN = "[hidden]"
SECRET_MIN = 6
"""Characters; shorter secrets are words of every line. Nothing that a platform issues is that short."""

CAPS: Mapping[str, int] = {
    "aiohttp": logging.WARNING,  # access lines; they hold Slack's event URLs
    "asyncio": logging.INFO,  # debug prints the repr of slow callbacks, arguments included
    "discord": logging.INFO,  # debug prints gateway payloads
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,  # info has a line for every request
    "slack_bolt": logging.INFO,  # debug prints events
    "slack_sdk": logging.INFO,  # debug prints socket messages and request bodies
}
"""The least level that is let through, by the first word of the logger's name."""

_PATTERNS = (
    (re.compile(r"\bxox[a-z](?:\.xox[a-z])?-[\w-]+"), HIDDEN),
    (re.compile(r"\bxapp-[\w-]+"), HIDDEN),
    (re.compile(r"\b(Bearer|Bot)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b[MNO][\w-]{22,28}\.[\w-]{5,7}\.[\w-]{25,}"), HIDDEN),  # Discord: id, time, signature
    (re.compile(r"(\b(?:rediss?(?:\+sentinel)?|unix|valkeys?)://[^\s:/@]*):[^\s@]+@", re.IGNORECASE), rf"\1:{HIDDEN}@"),
    (re.compile(r"(wss?://[^\s?]*)\?[^\s\"']+", re.IGNORECASE), rf"\1?{HIDDEN}"),  # Socket Mode's ticket
)
_context: Callable[[], Mapping[str, str]] = dict
_hidden_so_far: set[str] = set()
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}


def redaction(secrets: Iterable[str] = ()) -> Redact:
    """A function that hides the given secrets, also URL-encoded, and whatever looks like a token."""
    literal = {form for one in secrets if len(one) >= SECRET_MIN for form in (one, quote(one, safe=""))}
    longest_first = sorted(literal, key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, longest_first))) if literal else None

    def redact(text: str) -> str:
        text = known.sub(HIDDEN, text) if known else text
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return text

    return redact


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    fmt: Literal["text", "json"] | None = None,
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send every log line of the process to `stream` (stderr), once; a second call replaces the first.

    `fmt` None is text on a terminal and JSON elsewhere. At debug the libraries in `CAPS` stay quiet. Secrets of earlier
    calls stay hidden: what was renewed is tried for a while, and may be good elsewhere.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    _hidden_so_far.update(secrets)
    redact = redaction(_hidden_so_far)
    text = fmt == "text" or (fmt is None and terminal)
    handler = _Handler(out)
    handler.setFormatter(Text(redact, colour=terminal and _wants_colour(os.environ)) if text else Json(redact))
    handler.addFilter(_let_through)
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, cap in CAPS.items():
        logging.getLogger(name).setLevel(max(cap, root.level))


@contextmanager
def through(say: Callable[[str], object], *, least: str | None = None) -> Generator[None]:
    """Hand every line to `say` meanwhile, a text line without colours: who draws there knows where it may stand.

    `least` is the level, like `error`, that a line must have; None leaves it as it was configured.
    """
    root = logging.getLogger()
    written = [one for one in root.handlers if isinstance(one, _Handler)]
    said = _Said(say)
    redact = redaction(_hidden_so_far)
    as_json = any(isinstance(one.formatter, Json) for one in written)
    said.setFormatter(Json(redact) if as_json else Text(redact, colour=False))
    said.addFilter(_let_through)
    said.setLevel(least.upper() if least else logging.NOTSET)
    root.handlers = [said, *(one for one in root.handlers if one not in written)]
    try:
        yield
    finally:
        root.handlers = [*written, *(one for one in root.handlers if one is not said)]


def with_context(give: Callable[[], Mapping[str, str]]) -> None:
    """Add what `give` says to every line from now on, like the trace that it belongs to."""
    global _context
    _context = give


def crash(error: BaseException) -> dict[str, str]:
    """Fields for an error that nobody expected: its kind, and where it happened. Its text could quote a message."""
    return {"error": type(error).__name__, "where": "".join(traceback.format_tb(error.__traceback__))}


def _wants_colour(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _let_through(record: logging.LogRecord) -> bool:
    # Levels of the loggers are not enough: slack_bolt gives each of its loggers the root's level.
    return record.levelno >= CAPS.get(record.name.partition(".")[0], 0)


class _Dropping(logging.Handler):
    """A line that cannot be written stops nobody: one that cannot be formatted, or for a log pipe that was closed."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Drop the line; there is no better place to report it."""


class _Handler(_Dropping, logging.StreamHandler[TextIO]):
    """Writes each line to a stream."""


class _Said(_Dropping):
    """Gives each line to a function."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say the line."""
        try:
            self._say(self.format(record))
        except Exception:  # noqa: BLE001 - logging's wall, as in StreamHandler
            self.handleError(record)


class Json(logging.Formatter):
    """One JSON object a line: ts (UTC), level, event, logger, the fields, and error with the traceback."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "ts": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= {f"field_{name}" if name in line else name: value for name, value in _fields(record).items()}
        if trace := _trace(self, record):
            line["error"] = trace
        # Values first, since JSON's escapes can hide a secret from the patterns; then the whole, for numbers.
        return self._redact(json.dumps(_hidden(line, self._redact), ensure_ascii=False))


class Text(logging.Formatter):
    """A short line for people: time, level where it matters, event, fields; tracebacks below."""

    def __init__(self, redact: Redact, *, colour: bool) -> None:
        super().__init__()
        self._redact = redact
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines, without the last end."""
        fields = "".join(f" {name}={_plain(self._redact(str(value)))}" for name, value in _fields(record).items())
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        event = record.getMessage().replace("\n", "\\n").translate(_CONTROL)
        line = f"{self._paint(clock, '2')} {self._level(record)}{event}{self._paint(fields, '2')}"
        trace = _trace(self, record)
        return self._redact(f"{line}\n{trace.translate(_CONTROL)}" if trace else line)

    def _level(self, record: logging.LogRecord) -> str:
        name = record.levelname
        return "" if name == "INFO" else self._paint(f"{name.lower()} ", _COLOURS.get(name, "2"))

    def _paint(self, text: str, code: str) -> str:
        clean = text.translate(_CONTROL)
        return f"\x1b[{code}m{clean}\x1b[0m" if self._colour and clean else clean


def _fields(record: logging.LogRecord) -> dict[str, object]:
    own: dict[str, object] = {name: value for name, value in vars(record).items() if name not in _OWN}
    return own | dict(_context())


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    return "\n".join(parts + ([formatter.formatStack(record.stack_info)] if record.stack_info else []))


def _plain(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if re.search(r"[\s\"=]", text) or not text else text


def _hidden(value: object, redact: Redact) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {redact(str(key)): _hidden(one, redact) for key, one in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hidden(one, redact) for one in cast("Iterable[object]", value)]
    return redact(str(value))
