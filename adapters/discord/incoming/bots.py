"""How long another bot is listened to, where bots are allowed at all: two that answer each other must end.

openclaw counts 20 events in 60 s and then waits 60 s; half of it is still more than a useful bot asks.
"""

import logging
from typing import Final

from bot.events import Mention
from bot.services import Shared

log = logging.getLogger(__name__)

MOST_A_MINUTE: Final = 10
QUIET_S: Final = 60.0


async def may_go_on(found: Mention, shared: Shared | None) -> bool:
    """Whether another bot's mention is taken; without shared state, where nothing can be counted, none is.

    Raises StoreError.
    """
    if shared is None:
        return False
    workspace = found.place.workspace
    pair = f"discord:{workspace}:{found.place.channel}:{found.author.id}"
    if await shared.get(f"quiet:{pair}", tenant=workspace) is not None:
        return False
    if await shared.spend(f"bot:{pair}", per_minute=MOST_A_MINUTE, burst=MOST_A_MINUTE) == 0.0:
        return True
    await shared.put(f"quiet:{pair}", "1", tenant=workspace, ttl_s=QUIET_S)
    log.warning("bot_left_alone", extra={"event_id": found.event_id, "for_s": QUIET_S})
    return False
