"""Checks a Discord set-up before it is relied on: the token, the intents, the installs, the connections left.

Fields (developer docs, Application Resource, read November 2026): `integration_types_config` has a key for each install
that the portal allows, with what its button *Add App* asks for; while `bot_public` is off, only the owner may install;
with `bot_require_code_grant` a bot joins no server by a link alone.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import discord

from adapters.discord.api.client import APPLICATION, CONTENT_FLAGS, Client
from adapters.discord.api.rest import Rest, ours
from adapters.discord.app.invite import COMMANDS, PERMISSIONS, PERSON, SCOPES, SERVER, person_link, server_link, takes
from adapters.discord.gateway.connection import WITHOUT_CONTENT
from adapters.discord.gateway.starts import IDENTIFY_LOW
from adapters.discord.payloads.fields import Payload, key, record
from adapters.discord.settings import DiscordSettings
from bot.errors import ConfigError, PlatformError
from bot.platform import Finding

ADMINISTRATOR = 1 << 3

RESET = "Bot > Reset Token"
CODE_GRANT = "Bot > Requires OAuth2 Code Grant"
CONTENT = "Bot > Message Content Intent"
ON_SERVERS = "Installation > Guild Install"
FOR_PEOPLE = "Installation > User Install"
DEFAULTS = "Installation > Default Install Settings"
PUBLIC_KEY = "General Information > Public Key"
ENDPOINT = "General Information > Interactions Endpoint URL"
WAYS = (RESET, CODE_GRANT, CONTENT, ON_SERVERS, FOR_PEOPLE, DEFAULTS, PUBLIC_KEY, ENDPOINT)
"""Pages of the developer portal and what to look for there. docs/discord.md leads the same ways, as a test holds."""


SET_TOKEN = (
    f"Set DISCORD_TOKEN to the token that {RESET} shows in the developer portal, "
    "https://discord.com/developers/applications"
)


async def check(settings: DiscordSettings) -> list[Finding]:
    """What stands and what does not, with what to do about it. Raises nothing."""
    client = Client(settings.discord_api_url)
    try:
        return await _findings(client, settings)
    except ConfigError as error:
        return [Finding("fail", str(error), SET_TOKEN)]
    except PlatformError as error:
        return [Finding("fail", f"Discord cannot be asked: {error}", "Check the network, a proxy, DISCORD_API_URL.")]
    finally:
        await client.close()


async def application(settings: DiscordSettings) -> Payload:
    """The application as Discord knows it, for the links that install it. Raises ConfigError or PlatformError."""
    client = Client(settings.discord_api_url)
    try:
        await _sign_in(client, settings)
        return await _application(client)
    except ConfigError as error:
        raise ConfigError(f"{error}\n{SET_TOKEN}") from error
    finally:
        await client.close()


async def _findings(client: Client, settings: DiscordSettings) -> list[Finding]:
    user = await _sign_in(client, settings)
    found = await _application(client)
    gateway = cast(Payload, await Rest(client).get("/gateway/bot"))
    return [
        Finding("ok", f"The token belongs to {user.get('username', 'the bot')} ({user['id']})."),
        _content(found),
        *_installs(found),
        *_code_grant(found),
        *_interactions(found, settings),
        _starts(gateway),
    ]


async def _sign_in(client: Client, settings: DiscordSettings) -> Payload:
    if settings.discord_token is None:
        raise ConfigError("DISCORD_TOKEN is not set.")
    try:
        return await client.sign_in(settings.discord_token.get_secret_value())
    except discord.LoginFailure as error:
        raise ConfigError("Discord refuses DISCORD_TOKEN.") from error
    except Exception as error:  # the adapter's edge
        raise ours(error, method="GET") from error


async def _application(client: Client) -> Payload:
    return cast(Payload, await Rest(client).get(APPLICATION))


def _content(application: Payload) -> Finding:
    if int(application.get("flags") or 0) & CONTENT_FLAGS:
        return Finding("ok", "The Message Content intent is granted.")
    return Finding(
        "warn",
        f"The Message Content intent is off: {WITHOUT_CONTENT}.",
        f"If you want them, switch on {CONTENT} in the developer portal.",
    )


def _installs(application: Payload) -> list[Finding]:
    """Who may install it, and how."""
    own_id, who = str(application["id"]), "Anybody" if application.get("bot_public", True) else "Only its owner"
    if takes(application, SERVER):
        found = [
            Finding("ok", f"{who} may install the bot on a server: {server_link(own_id)}"),
            *_button(application, SERVER, scopes=SCOPES, needed=PERMISSIONS),
        ]
    else:
        todo = f"Switch on {ON_SERVERS} in the developer portal."
        found = [Finding("warn", "Nobody can install the bot on a server.", todo)]
    if not takes(application, PERSON):
        how = f"to allow it, switch on {FOR_PEOPLE} in the developer portal"
        return [*found, Finding("ok", f"Nobody can install it for themselves; {how}.")]
    return [
        *found,
        Finding("ok", f"{who} may install it for themselves: {person_link(own_id)}"),
        *_button(application, PERSON, scopes=(COMMANDS,), needed={}),
    ]


def _button(application: Payload, install: str, *, scopes: Sequence[str], needed: Mapping[str, int]) -> list[Finding]:
    """Whether the button Add App, which the portal sets, asks for as much as the link; () where it sets nothing."""
    config = record(record(application, "integration_types_config"), install)
    params = record(config, "oauth2_install_params")
    if not params:
        return []
    whose = "on a server" if install == SERVER else "for oneself"
    granted = int(key(params, "permissions") or 0)
    lacking = [one for one in scopes if one not in (params.get("scopes") or [])]
    lacking += [what for what, bits in needed.items() if bits & ~granted and not granted & ADMINISTRATOR]
    if not lacking:
        more = " and for more permissions, which it does not need" if granted & ~sum(needed.values()) else ""
        return [Finding("ok", f"Discord's own button Add App, {whose}, asks for what the link asks for{more}.")]
    todo = f"Set {DEFAULTS} to the scopes {' and '.join(scopes)}"
    todo += " and the permissions of the link" if needed else ""
    what = f"Discord's own button Add App leaves out, {whose}: {', '.join(lacking)}."
    return [Finding("warn", what, f"{todo}, or let people install the bot by the link alone.")]


def _code_grant(application: Payload) -> list[Finding]:
    if not application.get("bot_require_code_grant"):
        return []
    todo = f"Switch off {CODE_GRANT} in the developer portal."
    return [Finding("fail", "A link alone cannot add the bot to a server.", todo)]


def _interactions(application: Payload, settings: DiscordSettings) -> list[Finding]:
    """Discord delivers commands and presses over the gateway or to an address, never both."""
    address, key = application.get("interactions_endpoint_url"), settings.discord_public_key
    found: list[Finding] = []
    if key and str(application.get("verify_key", "")).lower() != key:
        todo = f"Copy it from {PUBLIC_KEY} in the developer portal."
        found.append(Finding("fail", "DISCORD_PUBLIC_KEY is not this application's.", todo))
    if address and not key:
        todo = f"Set DISCORD_PUBLIC_KEY, or remove the address at {ENDPOINT} in the developer portal."
        found.append(Finding("fail", "Commands and buttons go to an address at which this bot does not listen.", todo))
    if key and not address:
        todo = f"Set {ENDPOINT} in the developer portal to https://YOUR-HOST/discord/interactions."
        found.append(Finding("warn", "Commands and buttons still come over the gateway.", todo))
    return found


def _starts(gateway: Payload) -> Finding:
    limit: Payload = gateway.get("session_start_limit") or {}
    remaining, total = int(limit.get("remaining", 0)), int(limit.get("total", 0))
    what = f"{remaining} of {total} new gateway sessions are left for today."
    if remaining >= IDENTIFY_LOW:
        return Finding("ok", what)
    return Finding("warn", what, "Something restarts the bot over and over; stop it before the token is reset.")
