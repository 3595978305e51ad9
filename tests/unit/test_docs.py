"""The documents say what the code does: settings, links, commands, files."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *ROOT.glob("[A-Z]*.md"), ROOT / "helm/README.md", *(ROOT / "docs").rglob("*.md")]

SETTINGS = (
    "bot.settings:Settings",
    "adapters.slack.settings:SlackSettings",
    "adapters.discord.settings:DiscordSettings",
)
ALIASES = {"ROUTERNESIA_API_KEY"}
IN_WORDS = {"DATA_DIR": "the platform's user data folder", "SYSTEM_PROMPT": "a good default"}
OWNED_BY_THE_CHART = {"HTTP_HOST", "HTTP_PORT", "DATA_DIR"}
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
    cli = (ROOT / "bot/cli.py").read_text()
    for document in DOCUMENTS:
        for command in re.findall(r"routernesia-bot (?:-- )?([a-z]+)(?=[\s`])", document.read_text()):
            assert f'"{command}"' in cli, command


def test_metrics_that_the_readme_names_exist() -> None:
    module = importlib.import_module("bot.metrics")
    names = {
        sample for family in module.Metrics().registry.collect() for sample in (family.name, f"{family.name}_total")
    }
    named = set(re.findall(r"`(bot_\w+)`", README))
    assert named
    assert named <= names


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
