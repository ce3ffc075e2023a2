"""`grid:` of a configuration: method × bits × sparsity × scope as named variants, made without torch."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from tzip import options
from tzip.compression import registry

AXES = ("quantize", "bits", "prune", "sparsity", "scope")
OWN = (*AXES, "name")  # keys of a grid that are not a variant's, or are lists here
NONE = "none"  # among `quantize`: pruned alone
PRUNER = {"method": "magnitude"}  # where `prune` is left out; its name is then left out of the variant's
SCOPE = "linear"


def expand(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the variants of its grids among `variants`, and their names, without `rows`, as `made`.

    A grid may repeat a variant that there is already, as long as both are the same; ValueError in one line if
    not, and for combinations that make no sense.
    """
    known, made = dict(config["variants"]), []
    for where, grid in grids(config):
        for name, variant in variants(grid, where):
            if known.setdefault(name, variant) != variant:
                raise ValueError(f"{where}: '{name}' is another variant already; give one of them a name")
            made.append(name)
    made = [name for name in dict.fromkeys(made) if name not in config["rows"]]
    return config | {"variants": known, "made": made}


def grids(config: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each grid with the place where it stands."""
    section = config.get("grid", [])
    if isinstance(section, dict):
        return [("grid", section)]
    return [(f"grid.{number}", grid) for number, grid in enumerate(section)]


def variants(grid: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, variant) of each combination: METHOD-bBITS-PRUNER-sSPARSITY-SCOPE, without what does not apply.

    Neither quantized nor pruned is the baseline, which every run has: among other combinations it is left
    out, alone it is refused.
    """
    fixed = {"finetune": {}} | {key: value for key, value in grid.items() if key not in OWN}
    scopes = listed(grid.get("scope", SCOPE))
    if "bits" in grid and set(map(str, listed(grid.get("quantize", NONE)))) == {NONE}:
        raise ValueError(f"{where}.bits: there is nothing to quantize; name quantizers in {where}.quantize")
    crossed = product(quantized(grid, where), pruned(grid, where), scopes)
    combinations = [(quantizer, pruner, scope) for quantizer, pruner, scope in crossed if quantizer[0] or pruner[0]]
    if not combinations:
        raise ValueError(f"{where}: neither quantizes nor prunes; that is the baseline, which every run has")
    for (quantizer, quantize), (pruner, prune), scope in combinations:
        if quantizer and pruner[:1] == [PRUNER["method"]]:
            pruner = pruner[1:]
        parts = filter(None, [grid.get("name"), *quantizer, *pruner, scope])
        yield "-".join(parts), fixed | prune | quantize | {"scope": scope}


def quantized(grid: dict[str, Any], where: str) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """([name, bits], plan) of each quantizer at each of its bits; ([], {}) for none."""
    where = f"{where}.quantize"
    for entry in listed(grid.get("quantize", NONE)):
        if entry == NONE:
            yield [], {}
            continue
        method, name = named(entry, where)
        own = declared("quantizers", method, where).__dataclass_fields__.get("bits")
        if own is None and "bits" in grid:
            raise ValueError(f"{where}: '{method['method']}' has no bits to choose; put it into a grid without bits")
        if own is None:
            yield [name], {"quantize": method}
            continue
        if "bits" in method and "bits" in grid:
            raise ValueError(f"{where}: bits of '{name}' are given twice, beside the method and in the grid")
        for bits in listed(method.get("bits", grid.get("bits", own.default))):
            yield [name, f"b{bits}"], {"quantize": method | {"bits": bits}}


def pruned(grid: dict[str, Any], where: str) -> list[tuple[list[str], dict[str, Any]]]:
    """([name, sparsity], plan) of each pruner at each sparsity; ([], {}) for a sparsity of 0."""
    sparsities = listed(grid.get("sparsity", 0))
    if "prune" in grid and not any(sparsities):
        raise ValueError(f"{where}.prune: there is nothing to prune without a sparsity above 0")
    result = [([], {})] if 0 in sparsities else []
    for entry in listed(grid.get("prune", PRUNER)):
        method, name = named(entry, f"{where}.prune")
        declared("pruners", method, f"{where}.prune")
        if "end" in method:
            raise ValueError(f"{where}.prune: end = {method['end']} is what sparsity says; leave it out")
        for sparsity in filter(None, sparsities):
            if not 0 < sparsity < 1:
                raise ValueError(f"{where}.sparsity = {sparsity} is not at least 0 and less than 1")
            result.append(([name, f"s{100 * sparsity:g}"], {"prune": method | {"end": sparsity}}))
    return result


def named(entry: str | dict[str, Any], where: str) -> tuple[dict[str, Any], str]:
    """A method with its options, and what it is called in a variant's name: `name`, or its own."""
    method = {"method": entry} if isinstance(entry, str) else dict(entry)
    if "method" not in method:
        raise ValueError(f"key 'method' is missing in {where}: {entry}")
    return method, method.pop("name", method["method"])


def declared(kind: str, method: dict[str, Any], where: str) -> type:
    """The options of a method, read without importing it."""
    choices = registry.names(kind)
    if method["method"] not in choices:
        raise ValueError(f"{where} = '{method['method']}' is not one of {', '.join(choices)}")
    return options.declared(registry.path(kind, method["method"]))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
