"""The built-in offline model: answers as an OpenAI-compatible server would, without any server.

An HTTP transport, so that the terminal chat without a key runs the very same client as production.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

HEADERS = {"content-type": "text/event-stream"}


class EchoTransport(httpx.AsyncBaseTransport):
    """Answers every chat completion with what was said last. `pause_s` is the time between two words."""

    def __init__(self, *, pause_s: float = 0.03, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._pause_s = pause_s
        self._sleep = sleep

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, streamed word by word."""
        if not request.url.path.endswith("/chat/completions"):
            return httpx.Response(404, json={"error": {"type": "not_found", "message": "only /chat/completions"}})
        body: dict[str, Any] = json.loads(await request.aread())
        return httpx.Response(200, headers=HEADERS, stream=_Stream(self._events(body["messages"])))

    async def _events(self, messages: list[dict[str, str]]) -> AsyncIterator[bytes]:
        for word in re.findall(r"\s*\S+", reply(messages)):
            yield _event({"content": word})
            await self._sleep(self._pause_s)
        yield _event({}, finish="stop")
        yield b"data: [DONE]\n\n"


class _Stream(httpx.AsyncByteStream):
    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self._events = events

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._events


def reply(messages: list[dict[str, str]]) -> str:
    """Give the echo's answer to a prompt."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    last = said[-1] if said else ""
    quoted = "\n".join(f"> {line}" for line in last.splitlines()) or "> (nothing)"
    earlier = sum(message["role"] != "system" for message in messages) - 1
    memory = {-1: "", 0: "This is the first message of this thread that I was given."}.get(
        earlier, f"I was also given the {earlier} earlier message{'s' * (earlier != 1)} of this thread."
    )
    return f"I am the **offline echo**, not a model: no key is set. You said:\n\n{quoted}\n\n{memory}"


def _event(delta: dict[str, str], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
