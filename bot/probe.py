"""One probe of the bot that runs on this machine, as `routernesia-bot health` makes it.

Where a container runtime asks, it comes every few seconds: nothing heavy is imported, no setting but the port is read.
"""

from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final

PORT: Final = 8080
"""HTTP_PORT, where that is not set."""

ANSWER_WITHIN_S: Final = 4.0
"""Chosen: less than the 5 s of our Dockerfile's HEALTHCHECK, so that the reason is still printed."""


def probe(port: str, *, ready: bool) -> tuple[bool, str]:
    """Whether the bot is alive, or `ready` to work, and what it says of itself or why it says nothing."""
    try:
        with closing(HTTPConnection("127.0.0.1", int(port), timeout=ANSWER_WITHIN_S)) as connection:
            connection.request("GET", "/readyz" if ready else "/livez")
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace").strip()
        if "html" in answer.getheader("Content-Type", ""):
            return False, f"something else than the bot answers at port {port}: HTTP {answer.status}, a web page"
        return answer.status < 400, said
    except (OSError, ValueError, HTTPException) as error:
        return False, f"no bot answers at port {port}: {getattr(error, 'strerror', None) or error}"
