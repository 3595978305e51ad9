"""What people may see of a model's text: not its thinking aloud, and no broken characters.

Reasoning models open their answer with `<think>...</think>` or another such pair. Only a tag at the very beginning is
that; one later in the answer is the answer's own text and stays.
"""

import re

_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "◁think▷": "◁/think▷",
}
"""What opens thinking, and what ends it. The first is most models', the last Kimi's (documentation of servers that run
them, read November 2026); those between are chosen, for models that were told to think aloud.
"""

_SURROGATE = re.compile("[\ud800-\udfff]")


class Visible:
    """Filters one answer, fed piece by piece; white space before the first visible character is dropped."""

    def __init__(self) -> None:
        self._held = ""
        self._closing = ""
        self._open = False
        self._half = ""

    def feed(self, text: str) -> str:
        """Give what became visible with this text."""
        if not self._open:
            text = self._begin(text)
        if text.isascii() and not self._half:
            return text
        return self._joined(text)

    def end(self) -> str:
        """Give what was held back because more might have followed; thinking without an end stays hidden."""
        rest = "" if self._closing else self._held.lstrip()
        half = "\N{REPLACEMENT CHARACTER}" if self._half else ""
        self._held = self._half = ""
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", rest) + half

    def _begin(self, text: str) -> str:
        self._held += text
        while True:
            if self._closing and not self._leave():
                return ""
            start = self._held.lstrip()
            tag = next((tag for tag in _TAGS if start.startswith(tag)), "")
            if not tag:
                break
            self._held = start[len(tag) :]
            self._closing = _TAGS[tag]
        if any(tag.startswith(start) for tag in _TAGS):
            return ""
        self._open, self._held = True, ""
        return start

    def _leave(self) -> bool:
        at = self._held.find(self._closing)
        if at < 0:
            # Enough for a closing tag that is split; the thinking itself is not kept.
            self._held = self._held[1 - len(self._closing) :]
            return False
        self._held = self._held[at + len(self._closing) :]
        self._closing = ""
        return True

    def _joined(self, text: str) -> str:
        # Gateways written in JavaScript split an emoji into two deltas of half a character each. Alone, such
        # a half can be neither stored nor sent as UTF-8.
        if not text:
            return ""
        text, self._half = self._half + text, ""
        if not _SURROGATE.search(text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
