"""The documents say what the code does: settings, links, commands, files."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from adapters.slack.adapter import LIMITS
from adapters.slack.answers.streaming import REASONS, STREAM_LIMITS
from adapters.slack.api.budgets import START
from adapters.slack.api.reading import PAGE_DISTRIBUTED
from adapters.slack.app.manifest import EVENTS, SCOPES
from adapters.slack.incoming.access import PERSON_KEPT_S
from adapters.slack.incoming.commands import KNOWN
from adapters.slack.incoming.intake import BODY_MAX_BYTES
from adapters.slack.incoming.marks import THREAD_KEPT_S
from adapters.slack.text.tables import COLUMNS_MAX
from bot.answer.past import BACKFILL_MAX
from bot.commands import HELP
from bot.desk import COUNTS_TTL_S, FEEDBACK_TTL_S
from bot.inbox.inbox import DEAD_MAX, HISTORY_MAX
from bot.metrics import Metrics
from bot.settings import Settings
from bot.store import DEAD_TTL_S, TURN_TTL_S
from bot.usage import USAGE_TTL_S

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SLACK = (ROOT / "docs/slack.md").read_text()
DAY_S = 86_400
DOCUMENTS = [ROOT / "README.md", *ROOT.glob("[A-Z]*.md"), ROOT / "helm/README.md", *(ROOT / "docs").rglob("*.md")]

SETTINGS = (
    "bot.settings:Settings",
    "adapters.slack.settings:SlackSettings",
    "adapters.discord.settings:DiscordSettings",
)
ALIASES = {"ROUTERNESIA_API_KEY"}
IN_WORDS = {"DATA_DIR": "the platform's user data folder", "SYSTEM_PROMPT": "a good default"}
OWNED_BY_THE_CHART = {"HTTP_HOST", "HTTP_PORT", "DATA_DIR", "SETTINGS_DIR", "REDIS_CA_FILE"}
NOT_FOR_PODS = {"SLACK_CONFIG_TOKEN", "SLACK_APP_ID"}  # only `doctor` reads them, and the token lives 12 hours


def table() -> dict[str, str]:
    """Names and defaults as the README has them."""
    rows = README.partition("<!-- settings -->")[2].partition("\n\n")[0]
    found = re.findall(r"^\| `(\w+)` \| (.*?) \|", rows, re.MULTILINE)
    return {name: default.strip("`") for name, default in found}


def classes() -> list[type[BaseSettings]]:
    return [getattr(importlib.import_module(module), name) for module, name in (path.split(":") for path in SETTINGS)]


def in_code() -> dict[str, Any]:
    """Names and defaults as the settings classes have them."""
    return {
        name.upper(): field.get_default(call_default_factory=False)
        for kind in classes()
        for name, field in kind.model_fields.items()
    }


def shown(value: object) -> set[str]:
    """How a default may be written in the table."""
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    if plain in (None, "", frozenset()):
        return {"none", "empty", "text on a terminal, else json"}
    return {str(plain).lower() if isinstance(plain, bool) else str(plain)}


def test_the_readme_names_exactly_the_settings_that_exist() -> None:
    assert set(table()) == set(in_code())


@pytest.mark.parametrize("name", sorted(set(table()) - set(IN_WORDS)))
def test_the_readme_has_the_true_default(name: str) -> None:
    assert table()[name] in shown(in_code()[name])


def test_defaults_in_words_are_still_the_words() -> None:
    assert {name: table()[name] for name in IN_WORDS} == IN_WORDS


def test_the_example_file_names_every_setting_and_no_other() -> None:
    lines = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", lines, re.MULTILINE))
    assert named - ALIASES == set(table())


def test_the_example_file_holds_no_secret() -> None:
    for name, value in re.findall(r"^#? ?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        if re.search(r"TOKEN$|SECRET$|KEY$", name):
            assert len(value) < 20, name


def test_the_chart_takes_every_setting_once_as_secret_or_as_config() -> None:
    schema = json.loads((ROOT / "helm/values.schema.json").read_text())
    config = set(schema["properties"]["config"]["properties"])
    helpers = (ROOT / "helm/templates/_helpers.tpl").read_text()
    secret = set(re.findall(r"^([A-Z_]+): [a-zA-Z]+$", helpers, re.MULTILINE))
    assert not config & secret
    assert config | secret | OWNED_BY_THE_CHART | NOT_FOR_PODS == set(table())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_targets_that_documents_name_exist(document: Path) -> None:
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    for path in re.findall(r"`((?:bot|adapters|tests|scripts|docs|helm)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_commands_that_documents_name_exist() -> None:
    cli = (ROOT / "bot/cli/arguments.py").read_text()
    for document in DOCUMENTS:
        for command in re.findall(r"routernesia-bot (?:-- )?([a-z]+)(?=[\s`])", document.read_text()):
            assert f'"{command}"' in cli, command


def test_flags_that_documents_name_exist() -> None:
    cli = (ROOT / "bot/cli/arguments.py").read_text()
    for document in DOCUMENTS:
        for line in re.findall(r"routernesia-bot [a-z]+ (--[^`\n]*)", document.read_text()):
            for flag in re.findall(r"--[a-z-]+", line):
                assert f'"{flag}"' in cli, (document, flag)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_documents_name_exist(document: Path) -> None:
    of_settings = r"(?:SLACK|DISCORD|COMPLETIONS|REDIS|ENCRYPTION|SYSTEM|HISTORY|HTTP|WORKER|LOG)"
    for name in re.findall(rf"`({of_settings}_[A-Z_]+)(?:=[^`]*)?`", document.read_text()):
        assert name in table(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_a_part_of_a_page_lead_to_a_heading(document: Path) -> None:
    for target, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text()):
        page = (document.parent / target) if target else document
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        assert part in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}, part


def test_the_readme_names_every_metric_and_no_other() -> None:
    families = Metrics().registry.collect()
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    listed = README.partition("<!-- metrics -->")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`((?:bot|gen_ai_client)_\w+)`", listed)) == sorted(names)
    assert set(re.findall(r"`((?:bot|gen_ai_client)_\w+)`", README)) == names


def test_the_page_on_slack_names_every_command_and_no_other() -> None:
    commands = KNOWN | {"ask", "stop"}
    assert set(re.findall(r"^\| `/routernesia ([a-z]+)[^|]*\|", SLACK, re.MULTILINE)) == commands
    assert set(re.findall(r"^- `([a-z]+)`", HELP, re.MULTILINE)) == commands


def test_the_page_on_slack_names_every_scope_and_event_and_no_other() -> None:
    listed = SLACK.partition("## What each right is for")[2].partition("`doctor` compares")[0]
    rows = "".join(re.findall(r"^\| (`[^|]+)\|", listed, re.MULTILINE))
    assert set(re.findall(r"`([^`]+)`", rows)) == {*SCOPES, *EVENTS}


def test_the_page_on_slack_explains_every_reason_not_to_stream() -> None:
    listed = SLACK.partition("| reason | means |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+)\|", listed, re.MULTILINE)))) == REASONS


@pytest.mark.parametrize(
    "claim",
    [
        f"{STREAM_LIMITS.text_max:,} bytes",
        f"after {STREAM_LIMITS.open_s // 60:.0f} minutes {STREAM_LIMITS.open_s % 60:.0f} seconds",
        f"an edit every {LIMITS.edit_every_s:.0f} seconds at most",
        f"longer than {LIMITS.text_max:,} characters",
        f"more than {LIMITS.parts_max} messages ends in a file",
        f"at most {START.rate.most_in_a_minute:.0f} in any minute",
        f"({START.rate.burst} at once, then {START.rate.per_minute:.0f} a minute)",
        f"the {BACKFILL_MAX} latest",
        f"the first {PAGE_DISTRIBUTED} of the thread",
        f"more than {COLUMNS_MAX} columns",
        f"a body over {BODY_MAX_BYTES >> 20} MiB is answered 413",
        f"of a person for {PERSON_KEPT_S / 60:.0f} minutes",
        f"used, in numbers | {USAGE_TTL_S // DAY_S} days",
        f"given up | {DEAD_TTL_S // DAY_S} days, at most {DEAD_MAX:,}",
        f"duplicates | {TURN_TTL_S // 3600} hours",
        f"| {FEEDBACK_TTL_S // DAY_S} days; how many there were of each, without persons, {COUNTS_TTL_S // DAY_S} days",
        f"takes part in a thread, ids | {THREAD_KEPT_S / DAY_S:.0f} days",
        f"last answer (720: a month), at most {HISTORY_MAX} messages",
    ],
)
def test_numbers_on_the_page_on_slack_are_those_of_the_code(claim: str) -> None:
    assert claim in " ".join(SLACK.split())


def test_the_architecture_names_every_part_of_the_core_and_every_folder_of_the_adapters() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    inside = [*(ROOT / "bot").glob("*.py"), *(ROOT / "bot/answer").glob("*.py"), *(ROOT / "bot/inbox").glob("*.py")]
    files = [one for one in inside if not one.name.startswith("__")]
    folders = [one.parent for one in [*(ROOT / "bot").rglob("__init__.py"), *(ROOT / "adapters").rglob("__init__.py")]]
    named = {*re.findall(r"`([\w./-]+?)/?`", page)}
    known_by_their_files = {"bot", "bot/answer", "bot/inbox", "adapters", "adapters/slack", "adapters/discord"}
    wanted = {str(one.relative_to(ROOT)) for one in (*files, *folders)} - known_by_their_files
    assert wanted - named == set()


def test_the_architecture_names_the_modules_that_adapters_may_import() -> None:
    rules = (ROOT / "pyproject.toml").read_text()
    allowed = set(re.findall(r'"adapters\.\*\* -> bot\.(\w+)"', rules))
    [said] = re.findall(r"of the core, only (.+?)\.", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", said)) == allowed


def test_decisions_are_numbered_without_gaps_and_headed_by_their_number() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04}-")
        assert page.read_text().startswith(f"# {number}. ")


def test_every_decision_that_the_code_names_exists() -> None:
    for file in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]:
        for number in re.findall(r"docs/decisions/(\d{4})", file.read_text()):
            assert list((ROOT / "docs/decisions").glob(f"{number}-*.md")), (file, number)


def test_the_version_is_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    chart = (ROOT / "helm/Chart.yaml").read_text()
    assert f'appVersion: "{version[1]}"' in chart
    assert f"ARG VERSION={version[1]}" in (ROOT / "Dockerfile").read_text()


def test_the_image_brings_the_same_uv_as_make() -> None:
    [in_make] = re.findall(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"ARG UV_VERSION={in_make}" in (ROOT / "Dockerfile").read_text()


def test_the_compose_file_runs_a_store_that_keeps_everything_and_sets_only_settings() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    bot, store = compose["services"]["bot"], compose["services"]["store"]
    assert set(bot["environment"]) <= set(table())
    words = store["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")
    assert float(bot["stop_grace_period"].removesuffix("s")) > Settings.model_fields["drain_seconds"].default
    assert store["volumes"][0].partition(":")[0] in compose["volumes"]
