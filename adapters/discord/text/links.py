"""A link or image as Discord shows it best: with its host told, and without a preview. Pure.

Discord shows no image by its address, and a masked link whose label is an address literally (Markdown Text 101 in its
help centre, read November 2026; vercel/chat's changelog 4.32). Only web addresses can be masked.
"""

import re

from bot.markdown import TARGET, host_of, host_told, longest_told

LINK = rf"(?P<image>!?)\[(?P<label>(?:!\[[^\[\]]*+\]\([^()\s\[\]\0]*+\)|[^\[\]])*+)\]{TARGET.pattern}"
"""A link or image within a line; the label may hold an image, as badges do."""

_ENDS = re.compile(rf"\]{TARGET.pattern}")
_IMAGE = re.compile(r"!\[([^\[\]]*+)\]\([^()\s\[\]\0]*+\)")
_ADDRESS = re.compile(r"https?://|www\.", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_SLASHES = re.compile(r"^https?://(?:www\.)?|/$", re.IGNORECASE)


def label_of(found: re.Match[str]) -> str:
    """The label of a match of `LINK`, an image in it as its description."""
    return _IMAGE.sub(r"\1", found["label"]).strip()


def link_shown(found: re.Match[str], label: str) -> str:
    """A match of `LINK` with its label as it is to be shown."""
    url = found["plain"] or found["angled"] or ""
    if not url:
        return label if found["image"] or not label else f"{label} ()"
    if not _WEB.fullmatch(url):
        return f"{label} ({url})" if label else url
    if not label or _is_address(label_of(found), url):
        return f"<{url}>"
    if _ADDRESS.search(label):
        return f"{label} <{url}>"
    return f"[{label}{host_told(label_of(found), url)}](<{url}>)"


def links_growth(text: str) -> int:
    """The most by which the links of a text can grow; it never shrinks when text is appended."""
    if "](" not in text:
        return 0
    return sum(len("<>") + len(longest_told(end["plain"] or end["angled"] or "")) for end in _ENDS.finditer(text))


def _is_address(label: str, url: str) -> bool:
    """Whether a label is nothing but an address, so that the link's own says it better."""
    if _ADDRESS.match(label) and not re.search(r"\s", label):
        return True
    return label.lower() in (host_of(url), _SLASHES.sub("", url).lower(), url.lower())
