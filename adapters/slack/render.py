"""The model's CommonMark as text for Slack's `markdown_text`: everything kept, nothing that acts on people. Pure.

Slack honours `<!channel>`, `<!subteam^S1>`, `<@U1>` and `<#C1>` also inside `markdown_text` and code (measured by
several public bots, November 2026). Only such a `<`, and that of `<img`, is escaped: `&` and other `<` would break
URLs and code.
"""

import re
from urllib.parse import urlsplit

from bot.platform import utf16_length

# Whitespace, controls and code points that Slack or a reader may not show: none may hide a mention.
_UNSEEN = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff"
)
_LIVE = re.compile(rf"<(?=[{_UNSEEN}]*[!@#])")
# No part of a link may hold what could begin another link or end code: so no match can hide the start of another.
_URL = r"(?:[^()\s<>\[\]`]|\([^()\s<>\[\]`]*\))+"
_TITLE = r"(?:[ \t]+(?:\"[^\"\[\]\n`]*\"|'[^'\[\]\n`]*'|\([^()\[\]\n`]*\)))?"
_LINK = (
    rf"(?P<mark>!?)\[(?P<label>[^\[\]\n]*)\]\([ \t]*(?:<(?P<angled>[^<>\n\[\]`]*)>|(?P<plain>{_URL})){_TITLE}[ \t]*\)"
)
_PIPED = r"<(?P<piped>https?://[^<>|\s\[\]`]+)\|(?P<said>[^<>|\n\[\]`]*)>"  # Slack's own form
_REFERENCE = r"\[([^\[\]\n]*)\](?![(:])(?:\[[^\[\]\n]*\])?"
_LINK_FOUND = re.compile(_LINK)
_PIPED_FOUND = re.compile(_PIPED, re.IGNORECASE)
_TAG = re.compile(r"<(?=img)", re.IGNORECASE)
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]+`)", re.DOTALL)
_CODE_OR_LINK = re.compile(rf"{_CODE.pattern}|{_LINK}|{_PIPED}|!(?=\[)|{_TAG.pattern}", re.DOTALL | re.IGNORECASE)
_CODE_OR_REFERENCE = re.compile(rf"{_CODE.pattern}|{_REFERENCE}", re.DOTALL)
# What a reader takes for an address. Other dotted words (asyncio.timeout, README.md) name things, not hosts.
_ADDRESS = re.compile(
    r"(?:https?://|www\.)([\w.-]+)|\b((?:[\w-]+\.)+(?:ai|app|biz|co|com|dev|edu|gov|info|io|net|org))\b", re.IGNORECASE
)
_HOST_MAX = 60
_ELSEWHERE = "another address"


def rendered(text: str) -> str:
    """The text as it may be sent: no live mention, no image, and no link whose label claims another host."""
    if "[" in text or "<" in text:
        text = _CODE_OR_LINK.sub(_shown, text)
    if "[" in text:
        text = _CODE_OR_REFERENCE.sub(_dereferenced, text)
    return _LIVE.sub("&lt;", text) if "<" in text else text


def length(text: str) -> int:
    """The length of the rendered text in UTF-16 units, never less, and never shrinking when text is appended.

    It counts without rendering: each escape adds three units, each link what its label gets (also inside code, where
    nothing is added: whether a backtick opens code is only known once the text is whole).
    """
    units = utf16_length(text)
    if "<" in text:
        units += 3 * sum(1 for _ in _LIVE.finditer(text)) + 3 * sum(1 for _ in _TAG.finditer(text))
        units += sum(len(_label_end(found["said"], found["piped"])) for found in _PIPED_FOUND.finditer(text))
    if "](" in text:
        units += sum(len(_end_of(found)) for found in _LINK_FOUND.finditer(text))
    return units


def _shown(found: re.Match[str]) -> str:
    if code := found[1]:
        return code
    if piped := found["piped"]:
        return f"<{piped}|{found['said']}{_label_end(found['said'], piped)}>"
    if found["label"] is None:
        return "" if found[0] == "!" else "&lt;"
    end = _end_of(found)
    if not found["mark"] and not end:
        return found[0]
    # The title may be left out: Slack does not show it.
    url = found["plain"] if found["angled"] is None else f"<{found['angled']}>"
    return f"[{found['label']}{end}]({url})"


def _dereferenced(found: re.Match[str]) -> str:
    """A link whose address stands elsewhere in the text: a label that claims an address becomes plain text."""
    return found[0] if found[1] or not _ADDRESS.search(found[2]) else f"{found[2]} "


def _end_of(link: re.Match[str]) -> str:
    url = link["plain"] if link["angled"] is None else link["angled"]
    return _label_end(link["label"], url, image=bool(link["mark"]))


def _label_end(label: str, url: str, *, image: bool = False) -> str:
    """What is added to a label so that a reader sees where it leads: always for an image, else where it claims more."""
    host = _host(url)
    if image:
        return f" ({host})" if host else ""
    claimed = [(one[1] or one[2]).lower().strip(".").removeprefix("www.") for one in _ADDRESS.finditer(label)]
    if all(host == one or host.endswith(f".{one}") for one in claimed):
        return ""
    return f" ({host or _ELSEWHERE})"


def _host(url: str) -> str:
    try:
        host = urlsplit(url.strip()).hostname or ""
    except ValueError:  # an IPv6 address half written
        return ""
    # Anything else than a plain name could close the label and begin another link.
    return host if len(host) <= _HOST_MAX and re.fullmatch(r"[a-z0-9.-]+", host) else ""
