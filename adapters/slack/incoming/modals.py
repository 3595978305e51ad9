"""The forms that the bot opens, as views of Block Kit. Pure: it knows how they look, not what becomes of them.

Limits (docs.slack.dev/reference/views, November 2026): 24 characters in a title and on a button, 3,000 in the private
metadata, which travels through the person's client: it holds ids only.
"""

from typing import Any, Final

Json = dict[str, Any]

ASK: Final = "routernesia_ask"
FEEDBACK: Final = "routernesia_feedback_form"
"""The callback ids of forms that can be sent."""

READING: Final = "Reading the thread…"
"""What a view says until the summary replaces it."""

TYPED: Final = "typed"
"""The action id of the one input of each form."""

_TYPED_MAX: Final = 3_000  # Slack's own most for an input


def line(words: str) -> Json:
    """A view that only says something."""
    said = {"type": "section", "text": _plain(words)}
    return {**_modal("Only for you"), "close": _plain("Close"), "blocks": [said]}


def ask(note: str) -> Json:
    """A form for a question about a message."""
    return _form(ASK, "Ask about this message", "Your question", note, submit="Ask")


def feedback(note: str) -> Json:
    """A form for what was wrong with an answer."""
    return _form(FEEDBACK, "What was wrong?", "Tell whoever runs me", note, submit="Send")


def _form(callback: str, title: str, label: str, note: str, *, submit: str) -> Json:
    written = {"type": "plain_text_input", "action_id": TYPED, "multiline": True, "max_length": _TYPED_MAX}
    return {
        **_modal(title),
        "callback_id": callback,
        "private_metadata": note,
        "submit": _plain(submit),
        "close": _plain("Cancel"),
        "blocks": [{"type": "input", "block_id": TYPED, "label": _plain(label), "element": written}],
    }


def _modal(title: str) -> Json:
    return {"type": "modal", "title": _plain(title)}


def _plain(words: str) -> Json:
    return {"type": "plain_text", "text": words}
