"""Where the links of a line lead: each label tells the host, and no image, HTML or reference is left. Pure.

Whoever can write into what the model reads can have it link anywhere (reference slack.md 4.1, 4.2, November 2026): what
a reader sees must say where a click goes, and nothing may be fetched without a click. What Slack's own parser makes of
odd Markdown is not known, so what is not plainly a link is made plain text.
"""

import re

from bot.markdown import TARGET, TARGET_MAX, host_of, host_told, ticks_of

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
        end, host = host_told(label, url, told=self._told), host_of(url)
        if host:
            self._told = host if self._once else ""
        return end


def _unlinked(sign: str) -> str:
    """An image's mark dropped, a label parted from what looks like its target."""
    return sign.lstrip("!").replace("](", "] (")
