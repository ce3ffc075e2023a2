"""Grids of variants: what they are named, what they stand for, and which combinations are refused and why."""

import copy
import json
from typing import Any

import pytest

from tests.toys.configuration import DEFAULT, refused
from tzip.config import run

ROWS = DEFAULT["rows"]


def checked(grid: Any, **more: Any) -> dict[str, Any]:
    return run.check(copy.deepcopy(DEFAULT) | {"grid": grid} | more)


def test_every_combination_has_a_readable_name_and_its_plan() -> None:
    grid = {"quantize": ["kmeans"], "bits": [2, 8], "sparsity": [0, 0.5], "scope": ["linear", "all"]}
    config = checked(grid | {"rest": "float16", "finetune": {"updates": 3}})
    assert config["made"] == [
        f"kmeans-b{bits}{cut}-{scope}" for bits in (2, 8) for cut in ("", "-s50") for scope in ("linear", "all")
    ]
    assert config["variants"]["kmeans-b8-s50-all"] == {
        "quantize": {"method": "kmeans", "bits": 8},
        "prune": {"method": "magnitude", "end": 0.5},
        "scope": "all",
        "rest": "float16",
        "finetune": {"updates": 3},
    }
    assert "prune" not in config["variants"]["kmeans-b2-linear"]
    assert config["rows"] == ROWS  # what is shown one by one stays what it was


def test_parts_that_do_not_apply_are_left_out() -> None:
    assert checked({"quantize": "fp16"})["made"] == ["fp16-linear"]
    assert checked({"sparsity": [0.5, 0.875]})["made"] == ["magnitude-s50-linear", "magnitude-s87.5-linear"]
    pruned = checked({"quantize": ["none", "kmeans"], "bits": [2, 3], "sparsity": [0, 0.5]})["made"]
    assert pruned == [
        "magnitude-s50-linear",
        "kmeans-b2-linear",
        "kmeans-b2-s50-linear",
        "kmeans-b3-linear",
        "kmeans-b3-s50-linear",
    ]


def test_a_methods_own_bits_are_named_too_so_that_more_can_be_added_later() -> None:
    alone = checked({"quantize": "kmeans"})
    among = checked({"quantize": "kmeans", "bits": [4, 8]})
    assert alone["made"] == ["kmeans-b4-linear"]
    assert alone["variants"]["kmeans-b4-linear"] == among["variants"]["kmeans-b4-linear"]
    own = checked({"quantize": ["fp16", {"method": "kmeans", "bits": [2, 3]}]})
    assert own["made"] == ["fp16-linear", "kmeans-b2-linear", "kmeans-b3-linear"]


def test_options_of_methods_and_names_that_tell_them_apart() -> None:
    lloyd = {"method": "kmeans", "optimizer": "lloyd", "name": "lloyd"}
    stepwise = {"method": "magnitude", "schedule": "stepwise", "start": 0.3, "name": "stepwise"}
    grid = {"quantize": ["kmeans", lloyd], "prune": ["magnitude", stepwise], "sparsity": 0.5, "name": "a"}
    config = checked(grid)
    assert config["made"] == [
        "a-kmeans-b4-s50-linear",
        "a-kmeans-b4-stepwise-s50-linear",
        "a-lloyd-b4-s50-linear",
        "a-lloyd-b4-stepwise-s50-linear",
    ]
    plan = config["variants"]["a-lloyd-b4-stepwise-s50-linear"]
    assert plan["quantize"] == {"method": "kmeans", "optimizer": "lloyd", "bits": 4}
    assert plan["prune"] == {"method": "magnitude", "schedule": "stepwise", "start": 0.3, "end": 0.5}


def test_several_grids_are_joined_and_may_repeat_each_other_and_the_variants() -> None:
    same = {"quantize": {"method": "kmeans", "bits": 4}, "scope": "linear"}
    config = checked(
        [{"quantize": "kmeans", "bits": [3, 4]}, {"quantize": "kmeans", "bits": [4, 5]}],
        variants=DEFAULT["variants"] | {"kmeans-b4-linear": same},
        rows=[*ROWS, "kmeans-b4-linear", "kmeans-b5-linear"],
    )
    assert config["made"] == ["kmeans-b3-linear"]  # the other two are rows already


REFUSED = [
    ({"quantize": "binarize", "bits": [1, 2]}, "grid.quantize: 'binarize' has no bits to choose; put it"),
    ({"quantize": "kmeans", "bits": [4, 9]}, "grid: kmeans-b9-linear.quantize: bits = 9 is not an intege"),
    ({"quantize": ["kmaens"]}, "grid.quantize = 'kmaens' is not one of "),
    ({"prune": "kmeans", "sparsity": 0.5}, "grid.prune = 'kmeans' is not one of "),
    ({"quantize": "none"}, "grid: neither quantizes nor prunes; that is the baseline"),
    ({"sparsity": [0]}, "grid: neither quantizes nor prunes; that is the baseline"),
    ([{"quantize": "kmeans"}, {}], "grid.1: neither quantizes nor prunes; that is the baseline"),
    ({"bits": [2], "sparsity": 0.5}, "grid.bits: there is nothing to quantize; name quantizers in"),
    ({"quantize": "kmeans", "sparsity": 1}, "grid.sparsity = 1 is not at least 0 and less than 1"),
    ({"quantize": "kmeans", "sparsity": -0.5}, "grid.sparsity = -0.5 is not at least 0 and less than 1"),
    ({"quantize": "kmeans", "prune": "magnitude"}, "grid.prune: there is nothing to prune without a spar"),
    ({"prune": {"method": "magnitude", "end": 0.3}, "sparsity": 0.5}, "grid.prune: end = 0.3 is what spar"),
    (
        {"prune": {"method": "magnitude", "schedule": "stepwise", "start": 0.6}, "sparsity": 0.5},
        "grid: magnitude-s50-linear.prune: start = 0.6 is more than end = 0.5",
    ),
    ({"quantize": {"method": "kmeans", "bits": 3}, "bits": 4}, "grid.quantize: bits of 'kmeans' are given t"),
    ({"quantize": {"optimizer": "lloyd"}}, "key 'method' is missing in grid.quantize"),
    ({"quantize": ["kmeans", {"method": "kmeans", "optimizer": "lloyd"}]}, "grid: 'kmeans-b4-linear' is ano"),
    (
        {"quantize": "kmeans", "scop": "all"},
        "unknown key 'scop' in grid; did you mean 'scope'? choose from quantize, bits,",
    ),
    ({"quantize": "kmeans", "scope": "some"}, "grid: kmeans-b4-some: scope = 'some' is not one of attent"),
    ({"quantize": "kmeans", "rest": "int8"}, "grid: kmeans-b4-linear: rest = 'int8' is not one of float32"),
    ({"quantize": "kmeans", "finetune": {"update": 1}}, "unknown key 'update' in grid: kmeans-b4-linear."),
    ({"quantize": "kmeans", "bits": "4"}, "grid.bits = '4' is not of type integer or array"),
    ({"quantize": "kmeans", "bits": [4, 4]}, "grid.bits names 4 twice"),
    ({"quantize": "kmeans", "biases": 8}, "grid.biases = 8 is not of type object"),
    (["kmeans"], "grid.0 = 'kmeans' is not of type object"),
    ("kmeans", "grid = 'kmeans' is not of type object or array"),
]


@pytest.mark.parametrize(("grid", "says"), REFUSED, ids=[says[:50] for _, says in REFUSED])
def test_what_makes_no_sense_is_refused_in_one_line_with_the_reason(grid: Any, says: str) -> None:
    with refused(says):
        checked(grid)


def test_a_written_variant_of_the_same_name_and_another_plan_is_an_error() -> None:
    written = DEFAULT["variants"] | {"kmeans-b4-linear": {"quantize": {"method": "kmeans", "bits": 3}}}
    with refused("grid: 'kmeans-b4-linear' is another variant already; give one of them"):
        checked({"quantize": "kmeans"}, variants=written)


def test_figures_may_show_what_a_grid_made() -> None:
    attention = {"rows": ["baseline", "kmeans-b2-linear"]}
    config = checked({"quantize": "kmeans", "bits": 2}, attention=attention, weights="kmeans-b2-linear")
    assert config["attention"]["rows"] == attention["rows"]


def test_the_record_of_a_run_has_its_grids_and_makes_the_same_again() -> None:
    first = checked({"quantize": "kmeans", "bits": [2, 3, 4], "scope": ["linear", "all"]})
    record = json.loads(run.recorded(first))
    assert set(record["variants"]) == set(ROWS)
    again = run.check(record)
    assert again["made"] == first["made"]
    assert again["variants"] == {row: first["variants"][row] for row in [*ROWS, *first["made"]]}
    assert run.recorded(again) == run.recorded(first)
