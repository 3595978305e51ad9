"""The link that installs the bot on a Discord server, with the least permissions it needs today."""

from urllib.parse import urlencode

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

SCOPES = ("bot", "applications.commands")


def permissions() -> int:
    """All permission bits of the invite link."""
    bits = 0
    for needed in PERMISSIONS.values():
        bits |= needed
    return bits


def invite(application_id: str) -> str:
    """The address that a server's administrator opens to install the bot."""
    query = {"client_id": application_id, "scope": " ".join(SCOPES), "permissions": str(permissions())}
    return f"https://discord.com/oauth2/authorize?{urlencode(query)}"
