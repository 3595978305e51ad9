"""The form of each value that an operator sets for Slack: what is accepted, and a plain sentence for what is not.

It asks nobody and repeats no value: most of them are secrets, and any may have been pasted into the wrong line.
"""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from adapters.slack.prompts import prompts

_USER: Final = re.compile(r"[UW][A-Z0-9]{2,}")  # chat.startStream's own rule for user ids, reference November 2026
_CHANNEL: Final = re.compile(r"[CDG][A-Z0-9]{2,}")


def _unset_when_blank(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return text
    return text.strip() or None


def _begins(value: SecretStr | None, prefix: str, sentence: str) -> SecretStr | None:
    if value is not None and not value.get_secret_value().startswith(prefix):
        raise ValueError(sentence)
    return value


def _bot_token(value: SecretStr | None) -> SecretStr | None:
    return _begins(
        value,
        "xoxb-",
        "SLACK_BOT_TOKEN must start with xoxb-: copy the Bot User OAuth Token from OAuth & Permissions.",
    )


def _app_token(value: SecretStr | None) -> SecretStr | None:
    return _begins(
        value,
        "xapp-",
        "SLACK_APP_TOKEN must start with xapp-: create an App-Level Token with the scope connections:write "
        "under Basic Information.",
    )


def _config_token(value: SecretStr | None) -> SecretStr | None:
    return _begins(
        value,
        "xoxe.xoxp-",
        "SLACK_CONFIG_TOKEN must start with xoxe.xoxp-: generate an App Configuration Token at api.slack.com/apps "
        "and copy the access token, not the refresh token.",
    )


def _signing_secret(value: SecretStr | None) -> SecretStr | None:
    if _is_token(value):
        raise ValueError("SLACK_SIGNING_SECRET looks like a token: copy the Signing Secret from Basic Information.")
    return value


def _client_secret(value: SecretStr | None) -> SecretStr | None:
    if _is_token(value):
        raise ValueError("SLACK_CLIENT_SECRET looks like a token: copy the Client Secret from Basic Information.")
    return value


def _is_token(value: SecretStr | None) -> bool:
    return value is not None and value.get_secret_value().startswith(("xox", "xapp-"))


def _client_id(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"\d+\.\d+", value):
        raise ValueError(
            "SLACK_CLIENT_ID must be two numbers with a dot between them: copy the Client ID from Basic Information."
        )
    return value


def _app_id(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"A[A-Z0-9]{2,}", value):
        raise ValueError("SLACK_APP_ID must look like A0123ABCD: copy the App ID from Basic Information.")
    return value


def _api_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SLACK_API_URL must be a whole URL like https://slack.com/api/.")
    return value if value.endswith("/") else value + "/"


def _public_url(value: str | None) -> str | None:
    if value is None:
        return None
    sentence = "SLACK_PUBLIC_URL must be the bot's public address and nothing after it, like https://bot.example.com."
    try:
        parts = urlsplit(value)
        fine = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # urllib's own text quotes the value
        raise ValueError(sentence) from None
    if not fine or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(sentence)
    return value.rstrip("/")


def _prompts(value: str) -> str:
    prompts(value)
    return value


def _user_ids(value: object) -> object:
    return _ids(value, _USER, "SLACK_ALLOWED_USERS", "members' ids like U0123ABCD (a profile's menu, Copy member ID)")


def _channel_ids(value: object) -> object:
    return _ids(
        value, _CHANNEL, "SLACK_ALLOWED_CHANNELS", "channel ids like C0123ABCD (the end of a channel's details)"
    )


def _ids(value: object, form: re.Pattern[str], name: str, what: str) -> object:
    if not isinstance(value, str):
        return value
    ids = [one.strip() for one in value.split(",") if one.strip()]
    if not ids:
        # A list that lost its entries must not open the bot to everybody (openclaw/openclaw issue 13161).
        raise ValueError(f"{name} holds no id. Remove it to allow everybody, or list {what}, separated by commas.")
    if not all(map(form.fullmatch, ids)):
        raise ValueError(f"{name} must list {what}, separated by commas; names are not ids.")
    return frozenset(ids)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_Secret = Annotated[SecretStr | None, BeforeValidator(_unset_when_blank)]
_Text = Annotated[str | None, BeforeValidator(_unset_when_blank)]

BotToken = Annotated[_Secret, AfterValidator(_bot_token)]
AppToken = Annotated[_Secret, AfterValidator(_app_token)]
ConfigToken = Annotated[_Secret, AfterValidator(_config_token)]
SigningSecret = Annotated[_Secret, AfterValidator(_signing_secret)]
AppId = Annotated[_Text, AfterValidator(_app_id)]
ClientId = Annotated[_Text, AfterValidator(_client_id)]
ClientSecret = Annotated[_Secret, AfterValidator(_client_secret)]
ApiUrl = Annotated[str, AfterValidator(_api_url)]
PublicUrl = Annotated[_Text, AfterValidator(_public_url)]
Prompts = Annotated[str, AfterValidator(_prompts)]
UserIds = Annotated[frozenset[str], NoDecode, BeforeValidator(_user_ids)]
ChannelIds = Annotated[frozenset[str], NoDecode, BeforeValidator(_channel_ids)]
LOWER = BeforeValidator(_lower)
