"""What an operator sets for Discord."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.discord.forms import ChannelIds, FreeChannelIds, GuildIds, RoleIds, Threads, UserIds

API_URL = "https://discord.com/api/v10"
"""Discord's public REST API; version 10 is the newest (developer docs, read November 2026)."""

_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


SHARDS_MAX = 10_000
"""Chosen: far more than the largest bots have."""

_SHARD_IDS = re.compile(r"\s*(?:\d+\s*(?:-\s*\d+\s*)?(?:,\s*\d+\s*(?:-\s*\d+\s*)?)*)?")


class DiscordSettings(BaseSettings):
    """The settings of the Discord adapter, read from `DISCORD_...` variables.

    Raises:
        pydantic.ValidationError: a value is unusable; the text names the setting and never holds the value.
    """

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    discord_token: SecretStr | None = None
    """The bot token from the developer portal (Bot > Reset Token). Empty: Discord is off."""

    discord_api_url: str = API_URL
    """The REST API; another value is for proxies and tests. The gateway's address comes from its /gateway/bot."""

    discord_threads: Threads = "off"
    """Where a mention in a channel opens a thread, which then needs no further mention: `on`, `off`, or channel ids
    with commas between them."""

    discord_thread_titles: Literal["model", "question"] = "model"
    """Who names such a thread: the model once it has answered, with a small request of its own, or the question."""

    discord_free_channels: FreeChannelIds = frozenset()
    """Channels in which every message is for the bot, their threads and posts too; needs the Message Content intent."""

    discord_allowed_users: UserIds = frozenset()
    """Who may use the bot, by user id, besides those with an allowed role. Both empty: everybody."""

    discord_allowed_roles: RoleIds = frozenset()
    """Roles whose members may use the bot. In a direct message nobody has a role."""

    discord_allowed_channels: ChannelIds = frozenset()
    """Channels in which the bot answers, with their threads. Empty: all."""

    discord_allowed_guilds: GuildIds = frozenset()
    """Servers on which the bot answers. Empty: all."""

    discord_allow_bots: bool = False
    """Whether other bots may mention it, at most 10 times a minute each. Webhooks never may."""

    discord_shard_count: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """How many shards the bot has, in all processes together; `auto`: as many as Discord advises at the start."""

    discord_shard_ids: str = ""
    """The shards that this process may listen to, like `0,2` or `0-3`. Empty: all, shared out among the processes."""

    discord_public_key: str = ""
    """The application's public key (General Information), 64 hex digits. Set: interactions are also taken over HTTP."""

    discord_gateway: Literal["on", "off"] = "on"
    """Off: this process takes interactions over HTTP alone, and no messages: one of several that share the load."""

    discord_parts_max: int = Field(default=8, ge=1, le=50)
    """After so many messages an answer ends, and a Markdown file with all of it follows."""

    @property
    def shard_count(self) -> int | None:
        """The set number of shards; None for as many as Discord advises."""
        return None if self.discord_shard_count == "auto" else self.discord_shard_count

    @property
    def shard_ids(self) -> tuple[int, ...] | None:
        """The shards that are set for this process, ascending; None for all."""
        return _numbers(self.discord_shard_ids) or None

    @property
    def enabled(self) -> bool:
        """Whether a token is set."""
        return self.discord_token is not None

    @field_validator("discord_token")
    @classmethod
    def _is_a_bare_token(cls, value: SecretStr | None) -> SecretStr | None:
        token = value.get_secret_value().strip() if value else ""
        if not token:
            return None
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError("DISCORD_TOKEN must be the bare bot token, in one piece and without 'Bot ' before it.")
        return SecretStr(token)

    @field_validator("discord_shard_count", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return (value.strip().lower() or "auto") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_shards_that_exist(self) -> Self:
        count, ids = self.shard_count, self.shard_ids or ()
        if count is not None and any(one >= count for one in ids):
            raise ValueError(
                "DISCORD_SHARD_IDS names a shard that does not exist: they go from 0 to DISCORD_SHARD_COUNT - 1."
            )
        return self

    @field_validator("discord_shard_ids")
    @classmethod
    def _is_a_list_of_numbers(cls, value: str) -> str:
        if not _SHARD_IDS.fullmatch(value):
            raise ValueError("DISCORD_SHARD_IDS must be numbers with commas between, or a range: 0,2 or 0-3.")
        _numbers(value)
        return value

    @model_validator(mode="after")
    def _hears_something(self) -> Self:
        if self.discord_gateway == "off" and not self.discord_public_key:
            raise ValueError("DISCORD_GATEWAY=off needs DISCORD_PUBLIC_KEY: without both nothing would ever arrive.")
        return self

    @field_validator("discord_public_key")
    @classmethod
    def _is_a_public_key(cls, value: str) -> str:
        key = value.strip().lower()
        if key and not _PUBLIC_KEY.fullmatch(key):
            raise ValueError("DISCORD_PUBLIC_KEY must be 64 hex digits: copy it from General Information.")
        return key

    @field_validator("discord_api_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        url = value.strip().rstrip("/") or API_URL
        parts = urlsplit(url)
        plain = not (parts.username or parts.query or parts.fragment)
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
            raise ValueError("DISCORD_API_URL must be an http(s) address like https://discord.com/api/v10.")
        return url


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of a list like `0,2-4`. Raises ValueError where a range is empty or absurdly long."""
    found: set[int] = set()
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, _, last = part.partition("-")
        begin, end = int(first), int(last or first)
        if not begin <= end < SHARDS_MAX:
            raise ValueError(
                "DISCORD_SHARD_IDS holds a range that ends before it begins, or numbers beyond all shards."
            )
        found |= set(range(begin, end + 1))
    return tuple(sorted(found))
