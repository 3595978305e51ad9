import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import logs

CANARY = "k3y/with+odd=chars"
TOKENS = [
    "xoxb-123-456-abcDEF",
    "xoxe.xoxp-1-Mi0yLTEyMw",
    "xapp-1-A1-2-abc",
    "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.CAPS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def logged(fmt: str, *, stream: io.StringIO | None = None, level: str = "debug") -> io.StringIO:
    out = stream or io.StringIO()
    assert fmt in ("text", "json")
    assert level in ("debug", "info")
    logs.configure(level, fmt, secrets=(CANARY, "pw"), stream=out)
    return out


log = logging.getLogger("bot.test")


def test_a_secret_stays_hidden_after_it_was_renewed():
    logged("json")
    out = io.StringIO()
    logs.configure("info", "json", secrets=("the-one-that-followed",), stream=out)
    log.info("login_refused", extra={"error": f"{CANARY} and the-one-that-followed"})
    assert json.loads(out.getvalue())["error"] == f"{logs.HIDDEN} and {logs.HIDDEN}"


def test_a_json_line_holds_time_level_event_logger_and_the_fields():
    out = logged("json")
    log.info("mention_accepted", extra={"event_id": "e1", "parts": [1, {"a": None}], "logger": "mine"})
    line = json.loads(out.getvalue())
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "mention_accepted",
        "logger": "bot.test",
        "event_id": "e1",
        "parts": [1, {"a": None}],
        "field_logger": "mine",
    }


def test_a_text_line_is_short_and_quotes_values_with_spaces():
    out = logged("text")
    log.info("started", extra={"port": 1, "why": 'a "b"', "none": ""})
    log.warning("odd\nevent\x1b[2J", stack_info=True)
    first, second, *stack = out.getvalue().splitlines()
    assert first[9:] == 'started port=1 why="a \\"b\\"" none=""'
    assert second[9:] == "warning odd\\nevent\\x1b[2J"
    assert stack[0].startswith("Stack")


def test_a_terminal_gets_colours_unless_it_is_asked_not_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    logs.configure("info", None, stream=out)
    log.error("bad")
    assert "\x1b[31merror \x1b[0m" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    logs.configure("info", None, stream=plain)
    log.error("bad")
    assert plain.getvalue()[9:] == "error bad\n"


def test_without_a_terminal_the_default_is_json():
    out = io.StringIO()
    logs.configure(stream=out)
    log.info("x")
    assert json.loads(out.getvalue())["event"] == "x"


@pytest.mark.parametrize("fmt", ["text", "json"])
@pytest.mark.parametrize("secret", [*TOKENS, CANARY, "k3y%2Fwith%2Bodd%3Dchars", "Bearer abcdefgh1234"])
def test_a_secret_shows_nowhere_in_a_line(fmt: str, secret: str):
    out = logged(fmt)
    try:
        raise ValueError(f"it was {secret}!")
    except ValueError:
        log.exception("failed %s", secret, extra={"a": secret, "b": [{secret: Path(secret)}], "c": (secret,)})
    assert secret.removeprefix("Bearer ") not in out.getvalue()
    assert out.getvalue().count("[hidden]") >= 5


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "unix", "redis+sentinel", "rediss+sentinel"])
def test_passwords_in_urls_and_tickets_of_sockets_are_hidden(scheme: str):
    out = logged("json")
    log.info("x", extra={"url": f"{scheme}://u:hush@h:1/0", "ws": "wss://wss.slack.com/link/?ticket=abc&x=1 y"})
    line = json.loads(out.getvalue())
    assert line["url"] == f"{scheme}://u:[hidden]@h:1/0"
    assert line["ws"] == "wss://wss.slack.com/link/?[hidden] y"


def test_short_secrets_do_not_eat_ordinary_words():
    out = logged("text")
    log.info("pw")
    assert out.getvalue().endswith("pw\n")


@pytest.mark.parametrize("name", ["discord.gateway", "slack_bolt.AsyncApp", "slack_sdk.web", "asyncio", "httpx"])
def test_libraries_stay_quiet_at_debug_even_where_they_set_their_own_level(name: str):
    out = logged("json")
    other = logging.getLogger(name)
    other.setLevel(logging.DEBUG)
    try:
        other.debug("text of a message")
        assert out.getvalue() == ""
        other.warning("trouble")
        assert "trouble" in out.getvalue()
    finally:
        other.setLevel(logging.NOTSET)


def test_request_lines_of_http_clients_are_left_out():
    out = logged("json", level="info")
    for name in ("httpx", "httpcore.connection", "aiohttp.access"):
        logging.getLogger(name).info("HTTP Request: POST")
    assert out.getvalue() == ""


def test_our_own_debug_lines_come_at_debug_only():
    out = logged("json", level="info")
    log.debug("x")
    assert out.getvalue() == ""
    out = logged("json")
    log.debug("x")
    assert "x" in out.getvalue()


def test_configuring_twice_prints_each_line_once():
    first, second = logged("json"), logged("json")
    log.info("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_a_closed_log_pipe_does_not_stop_the_program(capsys: pytest.CaptureFixture[str]):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as pipe:
        logs.configure("info", "json", stream=pipe)
        log.info("x")
        with pytest.raises(BrokenPipeError):
            pipe.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
    assert capsys.readouterr().err == ""


def test_the_default_stream_is_standard_error(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "json", stream=sys.stderr)
    logs.configure("info", "json")
    log.info("here")
    assert "here" in capsys.readouterr().err


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_lines_can_be_handed_to_who_draws_on_the_terminal(fmt: str):
    out, lines = logged(fmt), list[str]()
    with logs.through(lines.append, least="error"):
        log.warning("noise")
        log.error("bad", extra={"key": CANARY})
    log.info("after")
    (line,) = lines
    assert "bad" in line
    assert CANARY not in line
    assert line.startswith("{") == (fmt == "json")
    assert out.getvalue().count("\n") == 1
    assert "after" in out.getvalue()


def test_a_line_that_cannot_be_formatted_is_dropped_also_where_lines_are_handed_on():
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    logged("text")
    lines = list[str]()
    with logs.through(lines.append):
        log.error("odd", extra={"one": Odd()})
        log.error("next")
    (line,) = lines
    assert "next" in line
