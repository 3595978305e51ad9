"""The suggested prompts of the agent view: what they are and how an operator writes them."""

from dataclasses import dataclass
from typing import Final

PROMPTS_MAX: Final = 4
"""Slack shows at most four (assistant.threads.setSuggestedPrompts, docs.slack.dev, November 2026)."""

# Slack documents no lengths. Chosen: a title fits a button (75 characters, Block Kit), a message one screen.
_TITLE_MAX: Final = 75
_MESSAGE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """One suggestion: people see `title`, and `message` is sent when they choose it."""

    title: str
    message: str


DEFAULT_PROMPTS: Final = (
    Prompt("What can you do?", "What can you help me with, and how do I use you in channels and threads?"),
    Prompt("Summarize a text", "Summarize the text that I send next, in five short points."),
    Prompt("Draft a message", "Help me draft a message. First ask me what it is about and whom it is for."),
)
"""What is suggested where the operator sets nothing."""


def prompts(text: str) -> tuple[Prompt, ...]:
    """The prompts of SLACK_PROMPTS: one a line, `Title | message`, or one text that is both; empty: our own.

    Raises ValueError with a plain sentence that names the setting and no value.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > PROMPTS_MAX:
        raise ValueError(f"SLACK_PROMPTS has {len(lines)} lines; Slack shows at most {PROMPTS_MAX} prompts.")
    return tuple(_prompt(line, number) for number, line in enumerate(lines, start=1)) or DEFAULT_PROMPTS


def _prompt(line: str, number: int) -> Prompt:
    title, bar, message = (part.strip() for part in line.partition("|"))
    found = Prompt(title, message if bar else title)
    if not (found.title and found.message):
        raise ValueError(f"SLACK_PROMPTS, line {number}: write `Title | message`, with text on both sides.")
    if len(found.title) > _TITLE_MAX or len(found.message) > _MESSAGE_MAX:
        raise ValueError(
            f"SLACK_PROMPTS, line {number}: at most {_TITLE_MAX} characters before the | and {_MESSAGE_MAX} after it."
        )
    return found
