"""The command line: `main` runs one command. Exit codes: 0 fine, 1 failed, 2 wrong configuration, 130 interrupted.

Everything heavy is imported inside the command that needs it, so that help is there at once.
"""

import atexit
import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from bot.cli import arguments, operator, serving, setup
from bot.cli.call import FAILED, FINE, INTERRUPTED, MISCONFIGURED, App, Call
from bot.errors import BotError, ConfigError

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None, *, app: App | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run one command and give its exit code. `app` stands in for `bot.app` in tests."""
    parser = arguments.parser()
    try:
        given = parser.parse_args(argv)
    except SystemExit as ended:  # argparse has printed help or what is wrong
        return ended.code if isinstance(ended.code, int) else FINE
    if given.command is None:
        parser.print_help()
        return FINE
    return _walled(_COMMANDS[given.command], Call(given, app, environ))


def _walled(command: Callable[[Call], int], call: Call) -> int:
    """The outermost wall: no traceback reaches a person or a log without redaction."""
    from bot import logs

    logs.configure("warning")
    # What is imported lives for ever: looking through it takes a tenth of the start, and a quarter of a short command
    # at its end. What lives longer turns it on again.
    gc.disable()
    atexit.register(gc.freeze)
    try:
        code = command(call)
        sys.stdout.flush()  # here, where a reader that has gone is no traceback
    except BotError as error:
        return _told([error])
    except BaseExceptionGroup as group:
        ours = _leaves(group)
        if not all(isinstance(one, BotError) for one in ours):
            log.exception("crashed")
            return FAILED
        return _told(ours)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python complains once more while it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception:  # the wall
        log.exception("crashed")
        return FAILED
    finally:
        gc.enable()
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for one in group.exceptions:
        inner = cast("BaseExceptionGroup[BaseException] | None", one if isinstance(one, BaseExceptionGroup) else None)
        leaves += _leaves(inner) if inner else [one]
    return leaves


def _told(errors: Sequence[BaseException]) -> int:
    for line in "\n".join(map(str, errors)).splitlines():
        print(f"routernesia-bot: {line}", file=sys.stderr)
    return MISCONFIGURED if any(isinstance(one, ConfigError) for one in errors) else FAILED


_COMMANDS: Mapping[str, Callable[[Call], int]] = {
    "run": serving.run,
    "chat": serving.chat,
    "doctor": setup.doctor,
    "manifest": setup.manifest,
    "invite": setup.invite,
    "key": setup.key,
    "config": operator.config,
    "status": operator.status,
    "dead": operator.dead,
    "forget": operator.forget,
    "recount": operator.recount,
    "health": operator.health,
}
