"""What an operator sets for Discord."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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

    discord_parts_max: int = Field(default=8, ge=1, le=50)
    """After so many messages an answer ends, and a Markdown file with all of it follows."""

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
