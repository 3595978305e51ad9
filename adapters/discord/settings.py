"""What an operator sets for Discord."""

from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.discord.forms import ChannelIds, FreeChannelIds, GuildIds, RoleIds, Threads, UserIds

API_URL = "https://discord.com/api/v10"
"""Discord's public REST API; version 10 is the newest (developer docs, read November 2026)."""


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

    @field_validator("discord_api_url")
    @classmethod
    def _is_a_web_address(cls, value: str) -> str:
        url = value.strip().rstrip("/") or API_URL
        parts = urlsplit(url)
        plain = not (parts.username or parts.query or parts.fragment)
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
            raise ValueError("DISCORD_API_URL must be an http(s) address like https://discord.com/api/v10.")
        return url
