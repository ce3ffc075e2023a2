"""The page of a configuration's keys, made from their types; with --schema the same as JSON schema.

python -m tzip.config.reference > docs/configuration.md
python -m tzip.config.reference --schema > config.schema.json
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from tzip.config.keys import RUN

TITLE = """# Keys of the configuration

Made by `python -m tzip.config.reference` from the types in `tzip/config/keys.py` and the options of the
library; `--schema` prints the same as JSON schema, for an editor. NAME stands for a name of your own. A key
without a default must be given, or stands for nothing where it is left out. The options of a method are
explained with [the methods](methods.md).
"""
HEAD = "| key | type | default | meaning |\n|---|---|---|---|"
BOUNDS = {"minimum": "≥ {}", "maximum": "≤ {}"}


def schema() -> dict[str, Any]:
    """The configuration as JSON schema."""
    result = RUN.json_schema()
    for rule in [result, *result["$defs"].values()]:
        rule.setdefault("additionalProperties", False)
    return result


def page() -> str:
    """A table of the run's keys, then one per kind of section with the places where it stands."""
    whole = schema()
    places: dict[str, list[str]] = {}
    for key, rule in whole["properties"].items():
        find(rule, key, whole["$defs"], places)
    tables = [TITLE, HEAD, *rows(whole)]
    for name, where in places.items():
        rule = whole["$defs"][name]
        title = rule["description"].partition("\n")[0].rstrip(".")
        tables += [f"\n## {title}", f"\nIn {', '.join(f'`{place}`' for place in where)}.\n", HEAD, *rows(rule)]
    return "\n".join([*tables, ""])


def find(rule: dict[str, Any], place: str, defs: dict[str, Any], places: dict[str, list[str]]) -> None:
    """Add to `places` where each definition that a rule leads to stands, by its name in `defs`."""
    for form in forms(rule):
        if "$ref" in form:
            name = form["$ref"].removeprefix("#/$defs/")
            if place in places.setdefault(name, []):
                continue
            places[name].append(place)
            for key, inner in defs[name]["properties"].items():
                find(inner, f"{place}.{key}", defs, places)
        named = [form.get("additionalProperties"), *form.get("patternProperties", {}).values()]
        for inner in filter(lambda value: isinstance(value, dict), named):
            find(inner, f"{place}.NAME", defs, places)
        find(form["items"], place, defs, places) if "items" in form else None


def forms(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms that a value may have, without null."""
    inner = rule.get("anyOf") or rule.get("oneOf")
    return [form for one in inner for form in forms(one)] if inner else [rule][: rule.get("type") != "null"]


def rows(rule: dict[str, Any]) -> Iterator[str]:
    """A line of the table for each key: name, type, default and meaning."""
    for key, inner in rule["properties"].items():
        kinds = dict.fromkeys(kind(inner | form) for form in forms(inner))
        default = inner.get("default")
        shown = "" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{json.dumps(default)}`"
        yield f"| `{key}` | {' or '.join(kinds)} | {shown} | {inner.get('description', '')} |"


def kind(rule: dict[str, Any]) -> str:
    """A type in words, with its choices or bounds."""
    if "enum" in rule:
        return ", ".join(f"`{choice}`" for choice in rule["enum"])
    bounds = [form.format(rule[key]) for key, form in BOUNDS.items() if key in rule]
    return " ".join([rule.get("type", "object"), ", ".join(bounds)]).strip()


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2) if "--schema" in sys.argv else page(), end="")
