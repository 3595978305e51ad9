"""Where a link leads, told in its label: whoever can write into what a model reads can have it link anywhere.

Knows web addresses and what a reader takes for one; knows no Markdown and no platform.
"""

import re

ELSEWHERE = "another address"
"""What is told instead of a host that is in doubt."""

_LABEL_MAX = 1_000  # characters of a label that is searched for addresses (chosen; the search is not linear)

# An address whose host is beyond doubt: no user, no escape, no entity, no other alphabet.
_WEB = re.compile(r"\s*https?://([a-z0-9](?:[a-z0-9.-]{0,58}[a-z0-9])?)\.?(?::\d*)?(?:[/?#]|\Z)", re.IGNORECASE)
_NEAR = re.compile(r"\s*(?:(?:mailto|tel):|(?![a-z][a-z0-9+.-]*:|//)[^&\\:/?#]*(?:[/?#]|\Z))", re.IGNORECASE)
# What a reader takes for an address. Other dotted words (asyncio.timeout, README.md) name things, not hosts.
_CLAIM = re.compile(
    r"(?:https?://|www\.)([\w.-]+)|\b((?:[\w-]+\.)+(?:ai|app|biz|co|com|dev|edu|gov|info|io|net|org))\b", re.IGNORECASE
)


def host_of(url: str) -> str | None:
    """The host of a web address; "" for an address without one (a path, an anchor, mail); None where it is unclear."""
    web = _WEB.match(url)
    if web:
        return web[1].lower()
    return "" if _NEAR.match(url) else None


def host_told(label: str, url: str, *, told: str = "") -> str:
    """What to add to a label so that it says where its link leads; "" where it does, or where `told` is that host."""
    if len(label) > _LABEL_MAX:
        return longest_told(url)
    host = host_of(url)
    claims = [(claim[1] or claim[2]).lower().strip(".") for claim in _CLAIM.finditer(label)]
    if not host:
        near = host == "" and (not claims or label in url)
        return "" if near else f" ({ELSEWHERE})"
    if all(_same(claim, host) for claim in claims) and (claims or told == host or _names(label, host)):
        return ""
    return f" ({host})"


def longest_told(url: str) -> str:
    """The most that `host_told` gives for a link to this address."""
    return f" ({host_of(url) or ELSEWHERE})"


def _same(one: str, other: str) -> bool:
    return one.removeprefix("www.") == other.removeprefix("www.")


def _names(label: str, host: str) -> bool:
    bare = re.escape(host.removeprefix("www."))
    return re.search(rf"(?<![\w.@-])(?:www\.)?{bare}(?![\w-]|\.\w)", label.lower()) is not None
