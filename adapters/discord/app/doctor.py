"""Checks a Discord set-up before it is relied on: the token, the intents, the invite link, the connections left."""

from typing import cast

import discord

from adapters.discord.api.client import APPLICATION, CONTENT_FLAGS, Client
from adapters.discord.api.rest import Rest, ours
from adapters.discord.app.invite import PERMISSIONS, PERSON, SCOPES, SERVER, person_link, server_link, takes
from adapters.discord.gateway.connection import WITHOUT_CONTENT
from adapters.discord.gateway.starts import IDENTIFY_LOW
from adapters.discord.payloads.fields import Payload, key, record
from adapters.discord.settings import DiscordSettings
from bot.errors import ConfigError, PlatformError
from bot.platform import Finding

ADMINISTRATOR = 1 << 3


async def check(settings: DiscordSettings) -> list[Finding]:
    """What stands and what does not, with what to do about it. Raises nothing."""
    client = Client(settings.discord_api_url)
    try:
        return await _findings(client, settings)
    except ConfigError as error:
        return [Finding("fail", str(error), "Set DISCORD_TOKEN to the token of Bot > Reset Token in the portal.")]
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
        "If you want them, switch on Bot > Message Content Intent in the developer portal.",
    )


def _installs(application: Payload) -> list[Finding]:
    """Who may install it, and how. `bot_public` is the portal's switch Public Bot."""
    own_id, who = str(application["id"]), "Anybody" if application.get("bot_public", True) else "Only its owner"
    if takes(application, SERVER):
        found = [
            Finding("ok", f"{who} may install the bot on a server: {server_link(own_id)}"),
            *_defaults(application),
        ]
    else:
        todo = "Switch on Installation > Guild Install in the developer portal."
        found = [Finding("warn", "Nobody can install the bot on a server.", todo)]
    if takes(application, PERSON):
        return [*found, Finding("ok", f"{who} may install it for themselves: {person_link(own_id)}")]
    how = "Installation > User Install in the developer portal"
    return [*found, Finding("ok", f"Nobody can install it for themselves; that would be {how}.")]


def _defaults(application: Payload) -> list[Finding]:
    """What the button Add App installs, which the portal sets: it may ask for less than the link."""
    config = record(record(application, "integration_types_config"), SERVER)
    params = record(config, "oauth2_install_params")
    if not params:
        return []
    lacking = [one for one in SCOPES if one not in (params.get("scopes") or [])]
    granted = int(key(params, "permissions") or 0)
    lacking += [what for what, bits in PERMISSIONS.items() if bits & ~granted and not granted & ADMINISTRATOR]
    if not lacking:
        return []
    todo = f"Set Installation > Default Install Settings to the scopes {' and '.join(SCOPES)}, and to the permissions "
    todo += "of the link; or install the bot with the link alone."
    return [Finding("warn", f"Discord's own button Add App leaves out: {', '.join(lacking)}.", todo)]


def _interactions(application: Payload, settings: DiscordSettings) -> list[Finding]:
    """Discord delivers commands and presses over the gateway or to an address, never both."""
    address, key = application.get("interactions_endpoint_url"), settings.discord_public_key
    found: list[Finding] = []
    if key and str(application.get("verify_key", "")).lower() != key:
        todo = "Copy the Public Key from General Information in the developer portal."
        found.append(Finding("fail", "DISCORD_PUBLIC_KEY is not this application's.", todo))
    if address and not key:
        todo = "Set DISCORD_PUBLIC_KEY, or remove the Interactions Endpoint URL in the developer portal."
        found.append(Finding("fail", "Commands and buttons go to an address at which this bot does not listen.", todo))
    if key and not address:
        todo = "Set the Interactions Endpoint URL in the developer portal to https://YOUR-HOST/discord/interactions."
        found.append(Finding("warn", "Commands and buttons still come over the gateway.", todo))
    return found


def _starts(gateway: Payload) -> Finding:
    limit: Payload = gateway.get("session_start_limit") or {}
    remaining, total = int(limit.get("remaining", 0)), int(limit.get("total", 0))
    what = f"{remaining} of {total} new gateway sessions are left for today."
    if remaining >= IDENTIFY_LOW:
        return Finding("ok", what)
    return Finding("warn", what, "Something restarts the bot over and over; stop it before the token is reset.")
