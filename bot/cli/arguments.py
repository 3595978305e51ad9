"""What can be typed after `routernesia-bot`, and what `--help` says of it. It knows no command's work."""

import argparse
from typing import Any

from bot.build import build

_ABOUT = "A chat bot for Slack and Discord that answers in the thread through an OpenAI-compatible completions API."

_EXAMPLES = """\
first steps:
  routernesia-bot chat                  try it in this terminal; needs no token
  routernesia-bot manifest              Slack: paste this at api.slack.com/apps, Create New App, From a manifest
  routernesia-bot invite                Discord: open this link to add the bot to a server; needs DISCORD_TOKEN
  routernesia-bot doctor                check keys, tokens, scopes and Redis, and read what to do
  routernesia-bot run                   serve every platform that has a token

settings come from the environment and from .env; .env.example lists them all with their defaults.
exit codes: 0 fine; 1 failed, as where Redis is away, or doctor found something to mend; 2 settings or command line
that cannot be read; 130 interrupted.
"""


_RUN = """\
needs: COMPLETIONS_API_KEY (a gateway alone does not), and a token of at least one platform:
  Slack     SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP);
            for many workspaces SLACK_CLIENT_ID and what docs/slack.md names beside it
  Discord   DISCORD_TOKEN

roles: all does everything in one process. On many machines that share a REDIS_URL, gateways receive and workers
answer; a gateway needs the tokens of its own platform, a worker those of all. Stop it with SIGTERM or Ctrl-C:
running answers get DRAIN_SECONDS to finish.

examples:
  routernesia-bot run
  routernesia-bot run --role worker --env-file /etc/routernesia-bot.env

next: routernesia-bot doctor, if something does not work
"""

_CHAT = """\
needs: nothing. Without COMPLETIONS_API_KEY it asks for one, or answers from a built-in offline echo.

in the chat: /new [NAME] starts a thread, /threads lists them, /switch NAME goes to one, /help, /quit (or Ctrl-D);
Ctrl-C stops an answer

examples:
  routernesia-bot chat
  printf 'What is Redis?\\n' | routernesia-bot chat       one question a line, only the answers are printed

next: routernesia-bot manifest (Slack) or routernesia-bot invite (Discord)
"""

_DOCTOR = """\
needs: the settings that you want checked. It asks the completions API for one short answer, Redis for its
durability, Slack for the token's scopes, Discord for the token and its intents. Nothing is posted anywhere.

each line: ✓ fine, ! works with a limit, ✗ to mend, with what to do below. Exit code 1 when there is a ✗.

next: routernesia-bot run
"""

_MANIFEST = """\
needs: nothing. Paste the output at https://api.slack.com/apps, Create New App, From a manifest.

examples:
  routernesia-bot manifest                                  Socket Mode: no public address needed
  routernesia-bot manifest --http https://bot.example.com   events over HTTP, to /slack/events there
  routernesia-bot manifest --oauth https://bot.example.com  for many workspaces; implies events over HTTP
  routernesia-bot manifest --no-agent                       no agent view: for free plans, and where guests use it
  routernesia-bot manifest --json > manifest.json

The agent view cannot be taken off an app again. Its suggested prompts are those of SLACK_PROMPTS. For an app without
it set SLACK_AGENT=off: that goes for this command as well.

next: install the app, put its tokens into .env (docs/slack.md says which), then: routernesia-bot doctor
"""

_INVITE = """\
needs: DISCORD_TOKEN. The link for servers asks for the least permissions that the bot works with. Where the developer
portal allows User Install there is a second one, with which people have its commands and menus everywhere.

next: open the first link, choose a server, then: routernesia-bot run
"""

_STATUS = """\
needs: REDIS_URL, or DATA_DIR of the bot that runs here: how Redis, the queue and every process stand, and whether
all that was taken is accounted for. It never shows what people wrote. Exit code 1 where Redis does not answer; what
is printed then says where it was looked for, what it did and what to do.

next: routernesia-bot dead list, routernesia-bot doctor
"""

_DEAD = """\
needs: REDIS_URL, or DATA_DIR of the bot that runs here. ID is what people read in the thread as (id 12ab34cd).
The newest thousand are kept, until 30 days pass without a new one.

examples:
  routernesia-bot dead list              when, why and where, newest first
  routernesia-bot dead retry 12ab34cd    answer it after all: the answer takes the place of the apology
  routernesia-bot dead retry all         after an outage
  routernesia-bot dead drop all          asks first; --yes where nobody can be asked
"""

_FORGET = """\
needs: REDIS_URL, or DATA_DIR of the bot that runs here. The messages themselves stay on the platform.

examples:
  routernesia-bot forget slack T0123                             all of a workspace, its installation too; asks first
  routernesia-bot forget discord 42 --user 77                    direct conversations, usage and feedback of a person,
                                                                 on that server and in direct messages
  routernesia-bot forget slack T0123 --conversation C01:17.3     what was said in one thread
"""

_RECOUNT = """\
needs: REDIS_URL, or DATA_DIR of the bot that runs here. `status` shows a difference as UNACCOUNTED, and so does the
alert BotInboxUnaccounted: find out first what was lost. What waits now is what the new count begins with.
"""

_CONFIG = """\
needs: nothing. Each setting as the bot would read it here, from the environment and .env; secrets as (set).

next: routernesia-bot doctor
"""

_HEALTH = """\
needs: a bot that runs on this machine, at HTTP_PORT. Exit code 0 where it answers as it should, else 1.

examples:
  routernesia-bot health            the process turns (/livez); for a container's health check
  routernesia-bot health --ready    nothing keeps it from its work (/readyz); prints what does
"""

_KEY = """\
needs: nothing. With the key in ENCRYPTION_KEY, messages and tokens are sealed before they go to Redis. All processes
that share a REDIS_URL need the same key. Keep a copy: what was sealed with a key that is lost cannot be read any more.

to change it: ENCRYPTION_KEY=NEW,OLD seals with the new one and still reads what the old one sealed. Where several
processes run, set OLD,NEW for all of them first. Remove the old one when all of that has expired: HISTORY_TTL_HOURS
for messages, 30 days for feedback; installations of the Slack app are sealed anew at their next renewal.

next: put it into .env as ENCRYPTION_KEY, then: routernesia-bot run
"""


def parser() -> argparse.ArgumentParser:
    """The parser. What it gives has the command's name as `command`, None where none was typed."""
    layout = argparse.RawDescriptionHelpFormatter
    root = argparse.ArgumentParser(prog="routernesia-bot", description=_ABOUT, epilog=_EXAMPLES, formatter_class=layout)
    root.add_argument("--version", action="version", version=f"routernesia-bot {build()}", help="print the version")
    _add_env_file(root, default=None)
    commands = root.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=_Command)

    def add(name: str, *, text: str, more: str) -> argparse.ArgumentParser:
        one = commands.add_parser(
            name, help=text, description=text, epilog=more, formatter_class=layout, allow_abbrev=False
        )
        _add_env_file(one, default=argparse.SUPPRESS)
        return one

    run = add("run", text="serve every platform that has a token", more=_RUN)
    run.add_argument("--role", choices=("all", "gateway", "worker"), default="all", help="default: all")
    add("chat", text="talk to the bot in this terminal", more=_CHAT)
    add("doctor", text="check every setting against the real services", more=_DOCTOR)
    manifest = add("manifest", text="print the Slack app manifest", more=_MANIFEST)
    manifest.add_argument("--http", metavar="https://HOST", help="events over HTTP to this address, not Socket Mode")
    manifest.add_argument("--no-agent", action="store_true", help="without the agent view: free plans, guests")
    manifest.add_argument(
        "--oauth", metavar="https://HOST", nargs="?", const="", help="for many workspaces, which install it by OAuth"
    )
    manifest.add_argument("--json", action="store_true", help="JSON instead of YAML")
    add("invite", text="print Discord's install links", more=_INVITE)
    add("key", text="print a new key for ENCRYPTION_KEY", more=_KEY)
    add("config", text="print the settings as the bot reads them, secrets masked", more=_CONFIG)
    add("status", text="how the queue and all processes stand", more=_STATUS)
    dead = add("dead", text="list, retry or drop mentions that were given up", more=_DEAD)
    dead.add_argument("act", choices=("list", "retry", "drop"), metavar="{list,retry,drop}", help="what to do")
    dead.add_argument("id", nargs="?", metavar="ID|all", help="which; not for list")
    dead.add_argument("--yes", action="store_true", help="do not ask before all are dropped")
    forget = add("forget", text="delete what is remembered of a workspace, a person or a conversation", more=_FORGET)
    forget.add_argument("platform", choices=("slack", "discord"))
    forget.add_argument("workspace", help="Slack's team id, Discord's server id")
    which = forget.add_mutually_exclusive_group()
    which.add_argument("--user", default="", metavar="ID", help="one person alone")
    which.add_argument("--conversation", default="", metavar="CHANNEL:THREAD", help="one conversation alone")
    forget.add_argument("--yes", action="store_true", help="do not ask before all of a workspace is deleted")
    add("recount", text="begin the count of what was taken anew, once a difference is understood", more=_RECOUNT)
    health = add("health", text="ask the bot that runs here how it is", more=_HEALTH)
    health.add_argument("--ready", action="store_true", help="whether it is ready, not only alive")
    return root


def _add_env_file(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    parser.add_argument("--env-file", metavar="FILE", default=default, help="read settings from FILE (default: .env)")


class _Command(argparse.ArgumentParser):
    """Says itself what it does not know, with its own usage instead of that of all commands."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As in argparse; nothing is left over."""
        given, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return given, rest
