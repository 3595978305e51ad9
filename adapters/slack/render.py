"""The model's CommonMark as text for Slack's `markdown_text`: everything kept, nothing that acts on people. Pure.

Slack honours `<!channel>`, `<!subteam^S1>`, `<@U1>` and `<#C1>` also inside `markdown_text` and code (measured by
several public bots, November 2026). Only such a `<` is escaped: `&` and other `<` would break URLs and code.
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
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\]\(([^()\s]+)(?:[ \t]+\"[^\"\[\n]*\")?\)")
_CODE_OR_IMAGE = re.compile(rf"(```.*?(?:```|\Z)|`[^`\n]+`)|{_IMAGE.pattern}", re.DOTALL)
_HOST_MAX = 60


def rendered(text: str) -> str:
    """The text as it may be sent: no live mention, images as links that show where they lead."""
    if "![" in text:
        text = _CODE_OR_IMAGE.sub(lambda found: found[1] or _link(found[2], found[3]), text)
    return _LIVE.sub("&lt;", text) if "<" in text else text


def length(text: str) -> int:
    """The length of the rendered text in UTF-16 units, never less, and never shrinking when text is appended.

    It counts without rendering: each escape adds three units, each image its host (also inside code, where nothing is
    added: whether a backtick opens code is only known once the text is whole).
    """
    units = utf16_length(text)
    if "<" in text:
        units += 3 * sum(1 for _ in _LIVE.finditer(text))
    if "![" in text:
        units += sum(max(0, len(_label_end(image[2])) - 1) for image in _IMAGE.finditer(text))
    return units


def _link(label: str, url: str) -> str:
    return f"[{label}{_label_end(url)}]({url})"


def _label_end(url: str) -> str:
    host = _host(url)
    return f" ({host})" if host else ""


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # an IPv6 address half written
        return ""
    # Anything else than a plain name could close the label and begin another link.
    return host if len(host) <= _HOST_MAX and re.fullmatch(r"[a-z0-9.-]+", host) else ""
