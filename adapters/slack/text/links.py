"""Where the links of a line lead: each label tells the host, and no image, HTML or reference is left. Pure.

Whoever can write into what the model reads can have it link anywhere (reference slack.md 4.1, 4.2, November 2026): what
a reader sees must say where a click goes, and nothing may be fetched without a click. What Slack's own parser makes of
odd Markdown is not known, so what is not plainly a link is made plain text.
"""

import re

from bot.markdown import TARGET, TARGET_MAX, ticks_of

ELSEWHERE = "another address"

# The signs of a link, the longest reading first. A place that is not plainly a link must not become one.
_LINK = re.compile(
    rf"(?<![!\\])!*+\[(?P<label>[^\[\]\n]*+)\](?P<target>{TARGET.pattern})|(?<!!)!++(?=\[)|\]\(", re.IGNORECASE
)
_NO_LINK = re.compile(r"(?<!!)!++(?=\[)|\]\(")
# What a reference would look up. A label may have begun on the line above.
_DEFINITION = re.compile(r"^((?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*+\[?(?:[^\[\]\\\n]|\\[^\n])*+\]):")
TAG = re.compile(
    r"<(?=/?(?:img|image|picture|source|video|audio|iframe|object|embed|svg|input)|a(?![\w>-]))", re.IGNORECASE
)
"""What HTML would fetch, or link under a label."""

# An address whose host is beyond doubt: no user, no escape, no entity, no other alphabet.
_WEB = re.compile(r"\s*https?://([a-z0-9](?:[a-z0-9.-]{0,58}[a-z0-9])?)\.?(?::\d*)?(?:[/?#]|\Z)", re.IGNORECASE)
_NEAR = re.compile(r"\s*(?:(?:mailto|tel):|(?![a-z][a-z0-9+.-]*:|//)[^&\\:/?#]*(?:[/?#]|\Z))", re.IGNORECASE)
# What a reader takes for an address. Other dotted words (asyncio.timeout, README.md) name things, not hosts.
_CLAIM = re.compile(
    r"(?:https?://|www\.)([\w.-]+)|\b((?:[\w-]+\.)+(?:ai|app|biz|co|com|dev|edu|gov|info|io|net|org))\b", re.IGNORECASE
)


def shown(line: str) -> str:
    """A line outside of code blocks, which holds no NUL."""
    if not any(sign in line for sign in "[]`<"):
        return line
    masked, code, sure = _masked(line)
    links = _Links(once=sure)
    plain = TAG.sub("&lt;", _DEFINITION.sub(r"\1 :", _LINK.sub(links.shown, masked)))
    return re.sub("\0", lambda _: code.pop(0), plain) if code else plain


def defused(line: str) -> str:
    """A line that is code to us and perhaps text to Slack: nothing in it acts, and it reads as it was."""
    return TAG.sub("&lt;", _DEFINITION.sub(r"\1 :", _NO_LINK.sub(lambda sign: _unlinked(sign[0]), line)))


def host_of(url: str) -> str | None:
    """The host of a web address; "" for an address without one (a path, an anchor, mail); None where it is unclear."""
    web = _WEB.match(url)
    if web:
        return web[1].lower()
    return "" if _NEAR.match(url) else None


def longest_end(url: str) -> str:
    """The most that is added to the label of a link to this address."""
    return f" ({host_of(url) or ELSEWHERE})"


def _masked(line: str) -> tuple[str, list[str], bool]:
    """The line with NUL for code, and the code; stray backticks are escaped, so that nobody pairs them otherwise.

    Code behind a `<` or with a `|` is left in: it may be HTML's or two cells of a table, and ends elsewhere then. The
    last of the three says that there was none of that.
    """
    pieces: list[str] = []
    code: list[str] = []
    at, sure = 0, True
    for ticks in ticks_of(line):
        before, span = line[at : ticks.start], line[ticks.start : ticks.end]
        sure = sure and "<" not in before and not (ticks.code and "|" in span)
        if ticks.code and sure:
            code.append(span)
            span = "\0"
        pieces += [before, span if ticks.code else "\\`" * len(span)]
        at = ticks.end
    return "".join([*pieces, line[at:]]), code, sure


class _Links:
    """The links of one line, in order: of neighbours to one host only the first tells it.

    Each tells it (`once` False) where the first may be code to another parser, and no link.
    """

    def __init__(self, *, once: bool) -> None:
        self._once = once
        self._told = ""

    def shown(self, found: re.Match[str]) -> str:
        target = found["target"]
        if target is None or len(target) > TARGET_MAX:
            return _unlinked(found[0])
        plain, angled = found["plain"], found["angled"]
        url = plain if angled is None else angled
        # The title may be left out: Slack does not show it.
        return f"[{found['label']}{self._end(found['label'], url)}]({url if angled is None else f'<{url}>'})"

    def _end(self, label: str, url: str) -> str:
        host = host_of(url)
        claims = [(claim[1] or claim[2]).lower().strip(".") for claim in _CLAIM.finditer(label)]
        if not host:
            near = host == "" and (not claims or label in url)
            return "" if near else f" ({ELSEWHERE})"
        told, self._told = self._told, host if self._once else ""
        if all(_same(claim, host) for claim in claims) and (claims or told == host or _names(label, host)):
            return ""
        return f" ({host})"


def _unlinked(sign: str) -> str:
    """An image's mark dropped, a label parted from what looks like its target."""
    return sign.lstrip("!").replace("](", "] (")


def _same(one: str, other: str) -> bool:
    return one.removeprefix("www.") == other.removeprefix("www.")


def _names(label: str, host: str) -> bool:
    bare = re.escape(host.removeprefix("www."))
    return re.search(rf"(?<![\w.@-])(?:www\.)?{bare}(?![\w-]|\.\w)", label.lower()) is not None
