"""What an operator asks for beside running bots; `bot.operating` does it, this file prints it."""

import sys
from collections.abc import Coroutine
from typing import Any

from bot.cli.call import FAILED, FINE, Call, on_terminal, wait
from bot.errors import ConfigError


def config(call: Call) -> int:
    """Print every setting as it is read here."""
    from bot import doctor

    print("\n".join(doctor.shown(call.config(quiet=True))))
    return FINE


def status(call: Call) -> int:
    """Print how Redis, the queue and every process stand."""
    from bot import operating

    return _printed(operating.status(call.config(quiet=True).core))


def dead(call: Call) -> int:
    """List, retry or drop what was given up; asks before it drops all of it.

    Raises ConfigError where nobody can be asked.
    """
    from bot import operating

    act, wanted, settings = call.given.act, call.given.id, call.config(quiet=True).core
    if act == "list":
        if wanted:
            raise ConfigError("dead list takes no id: it shows all")
        return _printed(operating.dead(settings))
    if not wanted:
        raise ConfigError(f"dead {act} needs an id, or all")
    everything = act == "drop" and wanted == operating.ALL and not call.given.yes
    if everything and not _confirmed("dead drop all", "all given-up mentions, with what people asked"):
        return FAILED
    return _printed(operating.retry(settings, wanted) if act == "retry" else operating.drop(settings, wanted))


def forget(call: Call) -> int:
    """Delete what is remembered of a workspace, a person or a conversation; asks before it deletes a workspace.

    Raises ConfigError where nobody can be asked.
    """
    from bot import operating

    given, settings = call.given, call.config(quiet=True).core
    what = operating.Memory(given.platform, given.workspace, user=given.user, conversation=given.conversation)
    everything = not (given.yes or what.user or what.conversation)
    if everything and not _confirmed("forget", f"everything of {what.platform} {what.workspace}, its installation too"):
        return FAILED
    return _printed(operating.forget(settings, what))


def _confirmed(command: str, what: str) -> bool:
    """Ask a person; where the answer is no, say that nothing was deleted. Raises ConfigError where none is there."""
    if not on_terminal():
        raise ConfigError(f"{command} deletes {what}; where nobody can be asked, say so with --yes")
    print(f"Delete {what}? Type yes to go on: ", end="", file=sys.stderr, flush=True)
    try:
        confirmed = input().strip().lower() == "yes"
    except EOFError:
        confirmed = False
    if not confirmed:
        print("Nothing was deleted.")
    return confirmed


def recount(call: Call) -> int:
    """Begin the count of what was taken anew."""
    from bot import operating

    return _printed(operating.recount(call.config(quiet=True).core))


def _printed(work: Coroutine[Any, Any, list[str]]) -> int:
    print("\n".join(wait(work)))
    return FINE


def health(call: Call) -> int:
    """Ask the bot that runs on this machine how it is."""
    from bot.probe import PORT, probe

    # One setting alone: a probe comes every few seconds, and must not fail for another one.
    fine, said = probe(call.setting("HTTP_PORT") or str(PORT), ready=call.given.ready)
    print(said)
    return FINE if fine else FAILED
