"""How keys are checked: types that pydantic knows how to read, and its mistakes in one line each."""

import dataclasses
import difflib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    WrapValidator,
    model_validator,
)
from pydantic.dataclasses import dataclass

from tzip import options

LIBRARY = Path(__file__).parent.parent
HERE = "\0"  # in the message of a validator, which does not know the place of what it validates
# Forms of a value, as parts of an error's place: one value, one where a text is a form of its own, a list, a text.
ONE, OTHER, MANY, TEXT = FORMS = ("<one>", "<other>", "<many>", "<text>")

# Patterns with what they stand for.
NAME, LANGUAGE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$", r"^[A-Za-z][A-Za-z0-9_-]*$"
URL, SHA256 = r"^https?://[^/?#]+/[^?#]+$", r"^[0-9a-fA-F]{64}$"
WORDS = {
    NAME: "a folder's name",
    LANGUAGE: "a language's short name",
    URL: "a URL of the form https://HOST/PATH",
    SHA256: "64 hexadecimal digits",
}
TYPES = {
    "dataclass": "object",
    "dict": "object",
    "list": "array",
    "string": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
}


def choose(name: str, choices: Iterable[str]) -> str:
    """The choice that `name` was probably meant to be, and all choices."""
    choices = list(choices)
    close = difflib.get_close_matches(str(name), choices, 1, 0.7)
    return (f"did you mean '{close[0]}'? " if close else "") + f"choose from {', '.join(choices) or 'none'}"


def check_keys(values: dict[str, Any], choices: list[str], where: str) -> None:
    for key in values:
        if key not in choices:
            raise ValueError(f"unknown key '{key}' in {where or 'the configuration'}; {choose(key, choices)}")


def fields(cls: type) -> list[str]:
    """The keys of a class, its own before those that it inherits."""
    every = {field.name: field.metadata.get("alias", field.name) for field in dataclasses.fields(cls)}
    return [every[name] for name in dict.fromkeys([*cls.__annotations__, *every]) if name in every]


def as_given(cls: type, value: Any, check: Any) -> dict[str, Any]:
    """Options of the library, checked but without their defaults: a job's flags are these alone."""
    if not isinstance(value, dict):
        raise ValueError(f"{HERE} = {value!r} is not of type object")
    check_keys(value, fields(cls), HERE)
    check(value)
    return value


def section(cls: type, check: Any = None) -> Any:
    """The type of a section with these options; `check` its values instead of as options."""
    check = check or partial(options.make, cls, name=HERE)
    return Annotated[cls, WrapValidator(lambda value, _: as_given(cls, value, check))]


def of(file: str, name: str = "Options") -> Any:
    """The type of a section whose options a file declares that takes longer to import."""
    return section(options.declared(LIBRARY / file, name))


def whole(value: Any) -> Any:
    """`--config seeds=[1,2]` gives texts."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def once(values: list[Any]) -> list[Any]:
    plain = [dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value for value in values]
    for value in plain:
        if plain.count(value) > 1:
            raise ValueError(f"{HERE} names {value!r} twice")
    return values


def entry(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError(f"{HERE} = {value!r} is not of type string or object")
    return value


def several(kind: Any, *more: Any, form: Any = None) -> Any:
    """One value or a list of them, of which `more` is asked; or a text, where that is another `form`."""
    one, many = OTHER if form else ONE, {list: MANY} | ({str: TEXT} if form else {})
    forms = Annotated[kind, Tag(one)] | Annotated[list[kind], *more, Tag(MANY)]
    forms = forms | Annotated[form, Tag(TEXT)] if form else forms
    return Annotated[forms, Discriminator(lambda value: many.get(type(value), one))]


Integer = Annotated[int, Strict(), BeforeValidator(whole)]
Names = Annotated[list[str], AfterValidator(once)]
Entry = Annotated[str | dict[str, Any], WrapValidator(lambda value, _: entry(value))]
LIST = (Field(min_length=1), AfterValidator(once))
Named = Annotated[str, Field(pattern=NAME)]
# YAML reads the code of Norwegian as false.
Language = Annotated[str, BeforeValidator(lambda code: "no" if code is False else code), Field(pattern=LANGUAGE)]
key = partial(dataclass, frozen=True, kw_only=True, config=ConfigDict(extra="forbid", defer_build=True))


@key()
class Keys:
    """A section that refuses an unknown key and names the choices."""

    @model_validator(mode="before")
    @classmethod
    def known(cls, values: Any) -> Any:
        if isinstance(values, dict) and cls.__pydantic_config__["extra"] == "forbid":
            check_keys(values, fields(cls), HERE)
        return values


def kept(cls: type, **defaults: Any) -> Any:
    """The type of a section that is checked and left as it is, but for these defaults."""
    return Annotated[cls, WrapValidator(lambda value, check: defaults | as_given(cls, value, check))]


def line(error: dict[str, Any]) -> str:
    """A mistake that pydantic found as a user should read it."""
    place = [str(part) for part in error["loc"] if part not in (*FORMS, "[key]")]
    where, value, context = ".".join(place), error["input"], error.get("ctx", {})
    match error["type"]:
        case "value_error":
            said = str(context["error"])
            said = said.replace(HERE, where or "the configuration") if HERE in said else f"{where}: {said}"
        case "missing":
            said = f"key '{place.pop()}' is missing in {'.'.join(place) or 'the configuration'}"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ")
            said = f"{where} = {value!r} is not one of {choices}"
        case "string_pattern_mismatch":
            said = f"{where} = {value!r} is not {WORDS[context['pattern']]}"
        case "greater_than_equal":
            said = f"{where}: {value} is less than the minimum of {context['ge']}"
        case "less_than_equal":
            said = f"{where}: {value} is more than the maximum of {context['le']}"
        case "too_short":
            said = f"{where}: {value!r} has fewer than {context['min_length']} entries"
        case kind if kind.endswith("_type") and kind.split("_")[0] in TYPES:
            said = f"{where} = {value!r} is not of type {TYPES[kind.split('_')[0]]}"
        case _:
            said = f"{where}: {value!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    if error["loc"][-1:] in ((ONE,), (OTHER,)) and " is not of type " in said:
        said = said.replace(" of type ", " of type string or " if OTHER in error["loc"] else " of type ") + " or array"
    return said
