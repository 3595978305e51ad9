"""Podman's commands as coroutines, and a network of its own for each node. Knows nothing of Kubernetes."""

import asyncio
import itertools
import os
import socket
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

WITHIN_S = 120.0
"""For one command: the longest of them waits for a whole grace period."""

_numbers = itertools.count(1)


async def podman(*words: str) -> str:
    """What the command prints; fails with it where its exit code is not 0."""
    code, output = await tried(*words)
    assert code == 0, f"podman {' '.join(words)}: {output}"
    return output.strip()


async def tried(*words: str) -> tuple[int, str]:
    """The command's exit code, and all that it prints."""
    process = await asyncio.create_subprocess_exec("podman", *words, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(WITHIN_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


def fresh(what: str) -> str:
    """A name that no other run on this machine has."""
    return f"routernesia-{what}-{os.getpid()}-{next(_numbers)}"


async def eventually(holds: Callable[[], Awaitable[bool]], *, within_s: float = 60.0) -> None:
    """Return as soon as it holds, of what can only be asked for; fails when it does not in time."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - nothing signals what is asked for
            await asyncio.sleep(0.2)


@asynccontextmanager
async def network() -> AsyncGenerator[str]:
    """A bridge whose containers find each other by name."""
    name = fresh("pods")
    await podman("network", "create", name)
    try:
        yield name
    finally:
        await podman("network", "rm", "--force", name)


def outside_address() -> str:
    """An address of this machine that containers reach too: their own 127.0.0.1 is another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing, but chooses a route
        return probe.getsockname()[0]
