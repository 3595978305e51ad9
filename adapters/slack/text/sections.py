"""CommonMark as sections of a view, which takes no Markdown blocks: Slack's older markup, escaped. Pure.

What has no counterpart there (tables, nested emphasis) stays as it was written. Limits: 3,000 characters in a section,
100 blocks in a view (docs.slack.dev/reference/block-kit, November 2026).
"""

import re
from typing import Any, Final

from adapters.slack.text.render import length, rendered
from bot import markdown

Json = dict[str, Any]

_SECTION_MAX: Final = 2_900  # of 3,000
_SECTIONS_MAX: Final = 100
_CODE: Final = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_FENCE_WORD: Final = re.compile(r"\A```[^\n`]*\n")
_LINK: Final = re.compile(
    r"\[(?P<label>[^\[\]\n]+)\]\((?:&lt;)?(?P<url>https?://[^\s()|]+?)(?:&gt;)?\)|https?://[^\s()|*~]+"
)
_HEADING: Final = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_BULLET: Final = re.compile(r"^([ \t]*)[-*+][ \t]+", re.MULTILINE)
_STRONG: Final = re.compile(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__")
_WEAK: Final = re.compile(r"(?<![\w*])\*([^*\s][^*\n]*)\*(?![\w*])")
_STRUCK: Final = re.compile(r"~~([^~\n]+)~~")
_HELD: Final = "\x03"  # stands for an address until emphasis has been read
_BOLD: Final = "\x02"  # stands for Slack's * until single asterisks have been read


def sections(text: str) -> list[Json]:
    """The blocks that show the text."""
    parts = markdown.parts(text, limit=_SECTION_MAX, length=_length)[:_SECTIONS_MAX]
    return [{"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn(part), "verbatim": True}} for part in parts]


def mrkdwn(text: str) -> str:
    """CommonMark in Slack's older markup: nothing in it calls anybody, and links show where they lead."""
    shown = rendered(text).replace("&lt;", "<")
    pieces = _CODE.split(shown)
    return "".join(_code(piece) if index % 2 else _prose(piece) for index, piece in enumerate(pieces))


def _length(text: str) -> int:
    """Never less than the length afterwards, and never shrinking when text is appended."""
    return length(text) + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def _code(text: str) -> str:
    return _escaped(_FENCE_WORD.sub("```\n", text))


def _prose(text: str) -> str:
    addresses: list[str] = []

    def held(found: re.Match[str]) -> str:
        addresses.append(_linked(found))
        return _HELD

    # Addresses first: what looks like emphasis in one is part of it.
    text = _LINK.sub(held, _escaped(text.replace(_BOLD, "").replace(_HELD, "")))
    text = _BULLET.sub(r"\1• ", text)
    text = _STRONG.sub(lambda found: f"{_BOLD}{found[1] or found[2]}{_BOLD}", text)
    text = _HEADING.sub(lambda found: f"{_BOLD}{found[1].replace(_BOLD, '')}{_BOLD}", text)
    text = _STRUCK.sub(r"~\1~", _WEAK.sub(r"_\1_", text)).replace(_BOLD, "*")
    return re.sub(_HELD, lambda _: addresses.pop(0), text)


def _linked(found: re.Match[str]) -> str:
    """A link whose label names its host. Where `rendered` took the line for code it does not do so yet."""
    label, url = found["label"], found["url"]
    if label is None:
        return found[0]
    host = markdown.host_of(url) or markdown.ELSEWHERE
    named = re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w.-])", label, re.IGNORECASE)
    return f"<{url}|{label}>" if named else f"<{url}|{label} ({host})>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
