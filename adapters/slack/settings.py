"""What an operator sets to connect Slack, checked before anything is sent anywhere.

This file knows which settings there are and which go together; `forms` knows the form of each value. Whether Slack
accepts them, `adapter.open` and `doctor` ask Slack. No message here repeats a value: most are secrets.
"""

from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.slack import forms
from adapters.slack.prompts import Prompt, prompts


class SlackSettings(BaseSettings):
    """Slack's settings. Without a bot token and without a client id Slack is off.

    Raises pydantic's ValidationError, whose sentences say which setting to change and never what it held.
    """

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    slack_bot_token: forms.BotToken = None
    """The Bot User OAuth Token (xoxb-): the bot lives in this one workspace."""
    slack_app_token: forms.AppToken = None
    """The App-Level Token (xapp-): set it to receive events over Socket Mode."""
    slack_signing_secret: forms.SigningSecret = None
    """The Signing Secret: set it, and no app token, to receive events over HTTP at /slack/events."""
    slack_client_id: forms.ClientId = None
    """The Client ID: with it, and no bot token, workspaces install the bot by OAuth at /slack/install.

    Events come over HTTP then: see `_oauth_problem`."""
    slack_client_secret: forms.ClientSecret = None
    """The Client Secret that belongs to the Client ID."""
    slack_public_url: forms.PublicUrl = None
    """The bot's public https address without a path: Slack sends people back there after an OAuth install."""
    slack_agent: Annotated[Literal["auto", "on", "off"], forms.LOWER] = "auto"
    """Slack's agent view: auto uses it where Slack lets the app, on makes `doctor` insist, off never asks for it."""
    slack_prompts: forms.Prompts = ""
    """Suggested prompts, at most four, one a line: `Title | message`. Empty: three of our own."""
    slack_allow_external: bool = False
    """Whether guests, people of other organisations and channels shared with them may use the bot."""
    slack_allowed_users: forms.UserIds = frozenset()
    """Ids of the members who may use the bot, separated by commas. Not set: everybody."""
    slack_allowed_channels: forms.ChannelIds = frozenset()
    """Ids of the channels it may be used in, separated by commas. Not set: everywhere it was invited."""
    slack_follow_ups: Annotated[Literal["on", "off"], forms.LOWER] = "on"
    """Whether it answers without a mention in a thread where only one person and the bot talk."""
    slack_streaming: Annotated[Literal["auto", "off"], forms.LOWER] = "auto"
    """auto streams natively where Slack lets the app and edits messages elsewhere; off always edits."""
    slack_distributed: bool = False
    """Whether the app is sold or given to other companies outside the Marketplace: Slack then gives history once a
    minute and 15 messages at a time (docs.slack.dev/apis/web-api/rate-limits, November 2026)."""
    slack_config_token: forms.ConfigToken = None
    """An app configuration token (xoxe.xoxp-), good for 12 hours: `doctor` reads the app's events with it."""
    slack_app_id: forms.AppId = None
    """The App ID: with it and the configuration token `doctor` checks an app that is installed by OAuth."""
    slack_api_url: forms.ApiUrl = "https://slack.com/api/"
    """Where the Web API answers; GovSlack is https://slack-gov.com/api/."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in (self._oauth_problem(), self._events_problem()):
            if problem:
                raise ValueError(problem)
        return self

    def _oauth_problem(self) -> str:
        if bool(self.slack_client_id) != bool(self.slack_client_secret):
            named, other = "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"
            if self.slack_client_secret:
                named, other = other, named
            return f"{named} is set but {other} is not: set both to install by OAuth, or neither."
        if self.oauth and self.slack_bot_token:
            return (
                "SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set: keep the bot token for one workspace of your own, "
                "or the client id and secret to install by OAuth."
            )
        if self.oauth and self.slack_app_token:
            # Slack gives an app ten sockets in all, however many workspaces have it, and lists no such app.
            return (
                "SLACK_APP_TOKEN and SLACK_CLIENT_ID are both set: where workspaces install by OAuth, events come over "
                "HTTP. Remove SLACK_APP_TOKEN and set SLACK_SIGNING_SECRET."
            )
        if self.oauth and not self.slack_public_url:
            return "SLACK_CLIENT_ID needs SLACK_PUBLIC_URL: the https address to which Slack sends people back."
        return ""

    def _events_problem(self) -> str:
        events = self.slack_app_token or self.slack_signing_secret
        if self.oauth and not events:
            return "SLACK_CLIENT_ID is set but no way to receive events: set SLACK_SIGNING_SECRET."
        if self.enabled and not events:
            return (
                "SLACK_BOT_TOKEN is set but no way to receive events: set SLACK_APP_TOKEN (Socket Mode, no public "
                "address needed) or SLACK_SIGNING_SECRET (HTTP)."
            )
        if events and not self.enabled:
            named = "SLACK_APP_TOKEN" if self.slack_app_token else "SLACK_SIGNING_SECRET"
            return (
                f"{named} is set but SLACK_BOT_TOKEN is not: set both, or neither to leave Slack off (OAuth has "
                "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET instead of the bot token)."
            )
        return ""

    @property
    def enabled(self) -> bool:
        """Whether Slack is to be used at all."""
        return self.slack_bot_token is not None or self.oauth

    @property
    def oauth(self) -> bool:
        """Whether workspaces install the app by OAuth, so that there are many bot tokens and none is set here."""
        return self.slack_client_id is not None

    @property
    def mode(self) -> Literal["socket", "http"]:
        """How events arrive. With an app token it is Socket Mode, also when a signing secret is set."""
        return "socket" if self.slack_app_token else "http"

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The suggested prompts, one to four."""
        return prompts(self.slack_prompts)
