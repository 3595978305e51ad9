"""Probes of a container, tried from its node as the kubelet tries them.

Where the container is, and how a command is run in it, the caller says.
"""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from tests.manifests import Object

Run = Callable[[list[str]], Awaitable[bool]]
"""Runs a command in the container, and says whether it ended with 0."""


async def passes(probe: Object, container: Object, *, address: str, run: Run) -> bool:
    """Whether it succeeds now, within its own time limit."""
    try:
        async with asyncio.timeout(probe.get("timeoutSeconds", 1)):
            if get := probe.get("httpGet"):
                return await _gets(f"http://{address}:{port(container, get['port'])}{get['path']}")
            if "tcpSocket" in probe:
                return await _connects(address, port(container, probe["tcpSocket"]["port"]))
            return await run(probe["exec"]["command"])
    except (OSError, aiohttp.ClientError, TimeoutError):
        return False


def port(container: Object, named: str) -> int:
    """The number of a port that the container names."""
    [found] = [one["containerPort"] for one in container["ports"] if one["name"] == named]
    return found


async def _gets(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
        return 200 <= response.status < 400


async def _connects(address: str, number: int) -> bool:
    _, writer = await asyncio.open_connection(address, number)
    writer.close()
    return True
