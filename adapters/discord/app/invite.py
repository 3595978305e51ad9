"""The links that install the bot: on a server, with the least permissions it needs, and by a person for themselves.

Parameters (developer docs, OAuth2: Authorization Code Grant, Bot Authorization Flow, read November 2026):
`integration_type` 0 installs on a server, 1 for a person; it counts only beside the scope `applications.commands`, and
the developer portal must allow it. `permissions` belongs to the scope `bot`, which a person's install has not.
"""

from urllib.parse import urlencode

from adapters.discord.payloads.fields import Payload, record

SERVER, PERSON = "0", "1"
"""Keys of an application's `integration_types_config`: the installs that the developer portal allows."""

PERMISSIONS = {
    "reply when it is mentioned": 1 << 10 | 1 << 11,  # VIEW_CHANNEL, SEND_MESSAGES
    "reply inside threads": 1 << 38,  # SEND_MESSAGES_IN_THREADS
    "open a thread for a question": 1 << 35,  # CREATE_PUBLIC_THREADS
    "refer to the question and read a thread's past": 1 << 16,  # READ_MESSAGE_HISTORY
    "put a very long answer under it as a file": 1 << 15,  # ATTACH_FILES
}
"""The feature that needs it, and the permission bits (developer docs, Permissions, read November 2026).

Embed Links is left out on purpose: answers suppress embeds. Mention Everyone is never asked for.
"""

COMMANDS = "applications.commands"
SCOPES = ("bot", COMMANDS)


def permissions() -> int:
    """All permission bits of a server's link."""
    bits = 0
    for needed in PERMISSIONS.values():
        bits |= needed
    return bits


def server_link(application_id: str) -> str:
    """The address that a server's administrator opens to install the bot."""
    scope = " ".join(SCOPES)
    return _link(client_id=application_id, integration_type=SERVER, scope=scope, permissions=str(permissions()))


def person_link(application_id: str) -> str:
    """The address that a person opens to have the commands and menus everywhere."""
    return _link(client_id=application_id, integration_type=PERSON, scope=COMMANDS)


def takes(application: Payload, install: str) -> bool:
    """Whether the developer portal allows an install; one that was never asked about takes servers alone."""
    allowed = record(application, "integration_types_config")
    return install in allowed if allowed else install == SERVER


def invite(application: Payload) -> str:
    """What `routernesia-bot invite` prints."""
    key = str(application["id"])
    links = {"On a server:": (SERVER, server_link(key)), "For oneself, everywhere:": (PERSON, person_link(key))}
    shown = [f"{where}\n  {link}" for where, (install, link) in links.items() if takes(application, install)]
    return "\n".join(shown)


def _link(**query: str) -> str:
    return f"https://discord.com/oauth2/authorize?{urlencode(query)}"
