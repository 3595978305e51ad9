"""What stands around the handler of a gateway event: when its event is through, and the wall before the connection."""

import logging
from collections.abc import Callable

from adapters.discord.gateway.connection import Handle
from adapters.discord.gateway.progress import Done, Hold
from adapters.discord.payloads.fields import Payload

log = logging.getLogger(__name__)


def at_once(handle: Callable[[Payload], None]) -> Handle:
    """A handler whose event is through when it returns."""

    def handled(data: Payload, _: Hold) -> None:
        handle(data)

    return handled


def until_done(handle: Callable[[Payload, Done], object]) -> Handle:
    """A handler whose event is through when it says so, or when it raises: what is not understood is given up."""

    def handled(data: Payload, hold: Hold) -> None:
        done = hold()
        try:
            handle(data, done)
        except Exception:
            done()
            raise

    return handled


def walled(event: str, handle: Handle) -> Handle:
    """A handler that cannot take the connection down with it."""

    def handled(data: Payload, hold: Hold) -> None:
        try:
            handle(data, hold)
        except Exception as error:  # noqa: BLE001 -- wall: one odd event must not end the connection
            log.error("event_not_understood", extra={"type": event, "error": type(error).__name__})

    return handled
