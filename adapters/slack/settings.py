"""What an operator sets to connect Slack, checked before anything is sent anywhere.

This file knows the form of the values, not whether Slack accepts them: `adapter.open` and `doctor` ask Slack.
No message here repeats a value: all three are secrets.
"""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _unset_when_blank(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return text
    return text.strip() or None


def _bot_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith("xoxb-"):
        raise ValueError(
            "SLACK_BOT_TOKEN must start with xoxb-: copy the Bot User OAuth Token from OAuth & Permissions."
        )
    return value


def _app_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith("xapp-"):
        raise ValueError(
            "SLACK_APP_TOKEN must start with xapp-: create an App-Level Token with the scope connections:write "
            "under Basic Information."
        )
    return value


def _signing_secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None and value.get_secret_value().startswith(("xox", "xapp-")):
        raise ValueError("SLACK_SIGNING_SECRET looks like a token: copy the Signing Secret from Basic Information.")
    return value


def _api_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SLACK_API_URL must be a whole URL like https://slack.com/api/.")
    return value if value.endswith("/") else value + "/"


Secret = Annotated[SecretStr | None, BeforeValidator(_unset_when_blank)]


class SlackSettings(BaseSettings):
    """Slack's settings. Without a bot token Slack is off.

    Raises pydantic's ValidationError, whose sentences say which setting to change and never what it held.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    slack_bot_token: Annotated[Secret, AfterValidator(_bot_token)] = None
    """The Bot User OAuth Token (xoxb-)."""
    slack_app_token: Annotated[Secret, AfterValidator(_app_token)] = None
    """The App-Level Token (xapp-): set it to receive events over Socket Mode."""
    slack_signing_secret: Annotated[Secret, AfterValidator(_signing_secret)] = None
    """The Signing Secret: set it, and no app token, to receive events over HTTP at /slack/events."""
    slack_api_url: Annotated[str, AfterValidator(_api_url)] = "https://slack.com/api/"
    """Where the Web API answers; GovSlack is https://slack-gov.com/api/."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        events = self.slack_app_token or self.slack_signing_secret
        if self.slack_bot_token and not events:
            raise ValueError(
                "SLACK_BOT_TOKEN is set but no way to receive events: set SLACK_APP_TOKEN (Socket Mode, no public "
                "address needed) or SLACK_SIGNING_SECRET (HTTP)."
            )
        if events and not self.slack_bot_token:
            named = "SLACK_APP_TOKEN" if self.slack_app_token else "SLACK_SIGNING_SECRET"
            raise ValueError(f"{named} is set but SLACK_BOT_TOKEN is not: set both, or neither to leave Slack off.")
        return self

    @property
    def enabled(self) -> bool:
        """Whether Slack is to be used at all."""
        return self.slack_bot_token is not None

    @property
    def mode(self) -> Literal["socket", "http"]:
        """How events arrive. With an app token it is Socket Mode, also when a signing secret is set."""
        return "socket" if self.slack_app_token else "http"
