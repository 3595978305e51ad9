"""Who may use the bot, and where: asked on every entry. Pure, and by numeric ids alone: names can be had by anybody.

Without a list everybody may. A list means only what it lists. In a direct message nobody has a role and there is no
server: where roles, channels or servers are listed, only people may write there who are themselves listed (or whose
direct channel is).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from adapters.discord.settings import DiscordSettings
from bot.events import Author

UNLISTED: Final = "Sorry, I am not open to everybody here. Please ask whoever runs me."
ELSEWHERE: Final = "Sorry, I am not meant to be used in this channel."
FOREIGN: Final = "Sorry, I am not meant to be used on this server."
ALONE: Final = "Sorry, I am not meant to be used in direct messages."


@dataclass(frozen=True, slots=True)
class Access:
    """What the operator allowed; an empty set stands for everybody, or everywhere."""

    users: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    guilds: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: DiscordSettings) -> "Access":
        """As the settings say."""
        return cls(
            users=settings.discord_allowed_users,
            roles=settings.discord_allowed_roles,
            channels=settings.discord_allowed_channels,
            guilds=settings.discord_allowed_guilds,
        )

    def refusal(
        self, actor: Author, *, guild: str, channel: str, parent: str, roles: Collection[str] = ()
    ) -> str | None:
        """A sentence for the person who may not, None where it is allowed.

        `guild` is "" in a direct message, `parent` the channel that a thread is in ("" for none, or unknown).
        """
        listed = actor.id in self.users
        if (self.users or self.roles) and not listed and self.roles.isdisjoint(roles):
            return UNLISTED
        if not guild:
            narrowed = bool(self.channels or self.guilds) and channel not in self.channels
            return ALONE if narrowed and not listed else None
        if self.guilds and guild not in self.guilds:
            return FOREIGN
        return ELSEWHERE if self.channels and self.channels.isdisjoint((channel, parent)) else None
