"""What turns work with: who answers and within which bounds, and the parts of the process that a turn calls upon."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.answer import prompt
from bot.answer.asking import Asking
from bot.answer.titles import Titles
from bot.inbox.inbox import Inbox
from bot.inbox.letters import Letters
from bot.metrics import Metrics
from bot.services import Shared
from bot.tracing import OFF, Tracing


@dataclass(frozen=True, slots=True)
class Persona:
    """Who answers, and within which bounds. `system` gives the system text for a platform's name."""

    name: str
    system: Callable[[str], str]
    context_tokens: int
    deadline_s: float


@dataclass(slots=True)
class ModelState:
    """How the model service stood when this process last asked: None before that, "" well, else the failure's kind."""

    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What all turns of a process work with."""

    inbox: Inbox
    letters: Letters
    asking: Asking
    persona: Persona
    metrics: Metrics
    shared: Shared
    titles: Titles
    model: ModelState = field(default_factory=ModelState)
    estimate: prompt.TokenEstimate = field(default_factory=prompt.TokenEstimate)
    tracing: Tracing = OFF
    wall: Callable[[], float] = time.time
