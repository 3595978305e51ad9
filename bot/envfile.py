"""Where settings come from: the environment, a `.env` file and a folder of files, as names and raw texts.

It knows nothing of what a setting means. Lines of the file are read as python-dotenv reads them (quotes,
`export`, comments), without expanding `$NAME`: tokens may hold a dollar sign. No value enters a sentence.
"""

import difflib
import io
import re
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dotenv.parser import Binding


BROAD = frozenset({"CONTEXT", "DATA", "DRAIN", "HISTORY", "HTTP", "LOG", "REDIS", "REPLY", "SYSTEM", "WORKER"})
"""First words that other programs use as well (HTTP_PROXY, REDIS_PORT): there not worth a warning."""

_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT)\w*|PORT(_\d+_\w+)?)$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Given:
    """A raw text and where it stands, as people would say it."""

    value: str
    where: str


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Every variable, under its name in capitals, without white space around the value."""
    return {name.upper(): Given(value.strip(), "in the environment") for name, value in environ.items()}


def from_file(path: Path) -> tuple[dict[str, Given], list[str]]:
    """What the file sets and one sentence for each line that cannot be read. A missing file sets nothing.

    A name that stands there twice has its last value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [f"{path} cannot be read ({type(error).__name__})."]
    except UnicodeDecodeError:
        return {}, [f"{path} is not UTF-8 text."]
    return _read(text, path.name)


@contextmanager
def looking_at(name: str) -> Generator[None]:
    """Raises ValueError, a sentence about the setting of that name, where its path cannot be looked at."""
    try:
        yield
    except RuntimeError:
        raise ValueError(f"{name} begins with ~ and nobody's name: write the whole path.") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be looked at ({type(error).__name__}).") from None


def from_folder(path: Path, names: Collection[str]) -> tuple[dict[str, Given], list[str]]:
    """What the files say that are called like one of `names`, and one sentence for each that cannot be read.

    So Kubernetes and Docker mount secrets. Other files there are nobody's business.
    """
    try:
        with looking_at("SETTINGS_DIR"):
            path = path.expanduser()
            if not path.is_dir():
                raise ValueError("SETTINGS_DIR must be a folder, but there is none of that name.")
    except ValueError as error:
        return {}, [str(error)]
    given: dict[str, Given] = {}
    problems: list[str] = []
    for file in (path / name for name in sorted(names)):
        try:
            given[file.name] = Given(file.read_text(encoding="utf-8").strip(), f"in {file}")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file} cannot be read as UTF-8 text ({type(error).__name__}).")
    return given, problems


def _read(text: str, file_name: str) -> tuple[dict[str, Given], list[str]]:
    from dotenv.parser import parse_stream  # where there is a file; a probe has none and is in haste

    given: dict[str, Given] = {}
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        where = f"{file_name}, line {_line(binding)}"
        problem = _problem(binding)
        if problem:
            problems.append(f"{where}: {problem}")
        elif binding.key is not None:
            given[binding.key.upper()] = Given((binding.value or "").strip(), where)
    return given, problems


def _line(binding: "Binding") -> int:
    # The parser counts from the blank lines before the statement; people look for the statement.
    before = len(binding.original.string) - len(binding.original.string.lstrip())
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", binding.original.string[:before]))


def _problem(binding: "Binding") -> str:
    if binding.error:
        return "not understood; write NAME=value, and close every quote."
    if binding.key is None:
        return ""
    if not _NAME.fullmatch(binding.key):
        return "the name may hold only letters, digits and _; write NAME=value."
    if binding.value is None:
        return "there is no = after the name; write NAME=value."
    return "the value holds a NUL character." if "\0" in binding.value else ""


def unknown_in_file(given: Mapping[str, Given], known: Collection[str]) -> list[str]:
    """One sentence for each name that starts like one of ours, or nearly is one."""
    first_words = _first_words(known)
    strange = [
        name
        for name in given
        if name not in known and (("_" in name and name.split("_")[0] in first_words) or _nearly(name, known))
    ]
    return [
        f"{given[name].where}: there is no setting {name}."
        + (f" Did you mean {meant}?" if (meant := _meant(name, known)) else "")
        for name in strange
    ]


def unknown_in_environment(given: Mapping[str, Given], known: Collection[str]) -> list[str]:
    """Names that only we would use but do not know, each with what was probably meant.

    Kubernetes' service links (`X_SERVICE_HOST`, `X_PORT_80_TCP`) are left out.
    """
    first_words = _first_words(known) - BROAD
    strange = [name for name in given if name not in known and "_" in name and name.split("_")[0] in first_words]
    ours = [name for name in strange if not _SERVICE_LINK.search(name)]
    return [name + (f" (did you mean {meant}?)" if (meant := _meant(name, known)) else "") for name in ours]


def _first_words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.split("_")[0] for name in names)


def _nearly(name: str, known: Collection[str]) -> bool:
    """Nine letters of ten: COMPLETION_MODEL and LOGLEVEL are meant for us, HTTPS_PROXY is not."""
    return bool(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.9))


def _meant(name: str, known: Collection[str]) -> str:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)), "")
