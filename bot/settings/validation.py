"""One settings class, made from raw texts: the object, or a sentence for each thing that is wrong.

It knows no setting. Sentences are our own and hold no value, since any value may be a secret that was pasted
into the wrong line; pydantic's text quotes them.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource

from bot.envfile import Given

S = TypeVar("S", bound=BaseSettings)


def setting_names(kind: type[BaseSettings]) -> dict[str, str]:
    """Every name that a class reads, in capitals, aliases included, with the field it sets."""
    return {
        name.upper(): attribute for attribute, info in kind.model_fields.items() for name in _names(attribute, info)
    }


def _names(attribute: str, info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias if isinstance(alias, str) else attribute]


def made(kind: type[S], in_file: Mapping[str, Given], around: Mapping[str, Given]) -> tuple[S | None, list[str]]:
    """The settings of a class, or None; and one sentence for each thing that is wrong with what is given."""
    given: dict[str, Given] = {}
    problems: list[str] = []
    for name, attribute in setting_names(kind).items():
        found, problem = _picked(name, kind.model_fields[attribute], (around.get(name), in_file.get(name)))
        if found and attribute in given and given[attribute].value != found.value:
            problem = f"{_name(kind, attribute)} and {name} are the same setting but differ; remove one of them."
        if found:
            given.setdefault(attribute, found)
        problems += [problem] if problem else []
    settings, wrong = validated(kind, {name: one.value for name, one in given.items()}, given)
    return settings, problems + wrong


def _picked(name: str, info: FieldInfo, candidates: Sequence[Given | None]) -> tuple[Given | None, str]:
    for one in candidates:
        if one and one.value:
            return one, ""
        if one and not _optional(info):
            return None, f"{name} is empty; give it a value or remove it to use the default ({one.where})."
    return None, ""


def _optional(info: FieldInfo) -> bool:
    default: object = info.get_default()
    if isinstance(default, SecretStr):
        return not default.get_secret_value()
    return info.default_factory is None and default in (None, "")


def validated(kind: type[S], values: Mapping[str, object], given: Mapping[str, Given]) -> tuple[S | None, list[str]]:
    """The settings with just these values, by field name; `given` tells where they stand."""
    by_name = {_names(attribute, kind.model_fields[attribute])[0]: value for attribute, value in values.items()}
    try:
        # Else the class would look into the environment itself, by other rules.
        return kind(_build_sources=((InitSettingsSource(kind, by_name),), {})), []
    except ValidationError as error:
        return None, [_sentence(kind, one, given) for one in error.errors(include_url=False, include_input=False)]


def _name(kind: type[BaseSettings], attribute: str) -> str:
    return next(name for name, field_name in setting_names(kind).items() if field_name == attribute)


def _sentence(kind: type[BaseSettings], error: ErrorDetails, given: Mapping[str, Given]) -> str:
    names = setting_names(kind)
    spot = str(error["loc"][0]) if error["loc"] else ""
    attribute = names.get(spot.upper(), spot)
    text = _reason(error, names)
    if not attribute:
        return text
    name = _name(kind, attribute)
    text = text if name in text else f"{name} {text}"
    one = given.get(attribute)
    return f"{text.removesuffix('.')} ({one.where})." if one else text


def _reason(error: ErrorDetails, names: Mapping[str, str]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error" | "assertion_error":
            # A sentence that names a setting was written for people; any other is Python's and may quote.
            text = str(context.get("error"))
            return text if any(name in text for name in names) else "is not valid."
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "must be a whole number."
        case "float_parsing" | "float_type" | "finite_number":
            return "must be a number."
        case "bool_parsing" | "bool_type":
            return "must be true or false."
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}."
        case "greater_than_equal":
            return f"must be at least {context['ge']:g}."
        case "less_than_equal":
            return f"must be at most {context['le']:g}."
        case _:
            return "is not valid."
