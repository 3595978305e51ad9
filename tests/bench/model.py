"""The completions server of the benchmark, in a process of its own: `python -m tests.bench.model`.

It takes one JSON object a line: a `Script` says how to answer from now on, `{}` asks for the times of all requests
since the last time. Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from tests.fakes.completions import DONE, FakeCompletions, Raw, Request, event

NUMBER = re.compile(r"question (\d+)")
BEGIN = "Sure, here is what I know about that, in plain words. "
"""A whole sentence, which may be shown at once: a native stream holds back a line's first 40 characters."""

END = "The end."
"""How each answer ends: a write that shows it is the last one."""


@dataclass(frozen=True, slots=True)
class Script:
    """An answer of `tokens` tokens, `per_s` a second (0: all at once), in pieces of `together`."""

    tokens: int
    per_s: float = 0.0
    together: int = 1


@dataclass(frozen=True, slots=True)
class Times:
    """When one request arrived, and when its first and its last piece were sent, in seconds."""

    number: int
    asked_at: float
    first_at: float
    last_at: float


class Model:
    """The server's process as the driver sees it."""

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    async def answer(self, script: Script) -> None:
        """From now on answer like this."""
        await self._exchange(asdict(script))

    async def times(self) -> dict[int, Times]:
        """Of all requests since the last call, by the number of their question."""
        found = [Times(*line) for line in await self._exchange({})]
        return {times.number: times for times in found}

    async def _exchange(self, order: dict[str, float]) -> list[tuple[int, float, float, float]]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def running() -> AsyncGenerator[Model]:
    """The server, as long as the context lasts."""
    command = (sys.executable, "-m", "tests.bench.model")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=1 << 24)
    assert process.stdin
    assert process.stdout
    try:
        yield Model(process, json.loads(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def script(of: Script) -> Raw:
    """The bytes of an answer, made once for all requests."""
    deltas = [BEGIN, *("word " for _ in range(of.tokens - 2)), END]
    pieces = [event(delta) for delta in deltas]
    pieces[-1] += event(None, finish="stop") + DONE
    if not of.per_s:
        return Raw([b"".join(pieces)])
    later = pieces[1:]
    joined = [b"".join(later[at : at + of.together]) for at in range(0, len(later), of.together)]
    return Raw([pieces[0], *joined], every_s=of.together / of.per_s)


async def _serve() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with FakeCompletions() as server:
        _say(server.base_url)
        while line := await reader.readline():
            if order := json.loads(line):
                server.default = _always(script(Script(**order)))
            _say([_times(request) for request in server.requests] if not order else [])
            server.requests.clear()


def _always(answer: Raw) -> Callable[[Request], Raw]:
    return lambda _: answer


def _times(request: Request) -> tuple[int, float, float, float]:
    found = NUMBER.search(request.last_user_text)
    number = int(found[1]) if found else -1
    return number, request.at, request.first_write_at or 0.0, request.last_write_at or 0.0


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
