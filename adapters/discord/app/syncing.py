"""Tells Discord of the commands, when they have changed since it was last told: by one replica, in one call.

Rules of the platform (developer docs, Application Commands, read November 2026): a PUT of all global commands replaces
them, and only new names count towards the 200 creates a day. Bots that do this at each start run into that limit.
"""

import logging
from typing import Final

from adapters.discord.api.rest import Rest
from adapters.discord.app.commands import definitions, digest
from bot.errors import PlatformError, StoreError
from bot.services import Shared

log = logging.getLogger(__name__)

COMMANDS: Final = "/applications/{application_id}/commands"

KEPT_S: Final = 30 * 86_400.0
"""Chosen: what somebody changed by hand is put right within a month."""

_LOCK_S: Final = 60.0  # longer than a call with its waits (45 s)


async def sync(rest: Rest, shared: Shared, application_id: str) -> None:
    """Bring Discord up to date. A failure is logged, and tried again at the next start; raises nothing of the kind."""
    commands = definitions()
    now, name, tenant = digest(commands), f"commands:discord:{application_id}", f"discord:{application_id}"
    try:
        if await shared.get(name, tenant=tenant) == now:
            return
        async with shared.lock(name, ttl_s=_LOCK_S, within_s=_LOCK_S):
            if await shared.get(name, tenant=tenant) == now:
                return  # another replica was faster
            await rest.replace(COMMANDS, commands, application_id=application_id)
            await shared.put(name, now, tenant=tenant, ttl_s=KEPT_S)
        log.info("commands_synced", extra={"commands": len(commands)})
    except (PlatformError, StoreError) as error:
        log.warning("commands_not_synced", extra={"error": str(error)})
