import argparse
from dataclasses import dataclass, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toys.configuration import refused
from tzip import options
from tzip.options import option


@dataclass(frozen=True)
class Sample:
    """Options to test with."""

    bits: int = option(4, "bits per weight", low=1, high=8)
    start: str = option("linear", "where to begin", choices=("linear", "random"))
    rate: float = option(0.5, "how fast", low=0.0)
    trained: bool = option(True, "whether 100% of it is trained")
    width: int = option(4, "weights per vector", choices=(2, 4, 8))

    def __post_init__(self) -> None:
        if self.bits == 7 and self.start == "random":
            raise ValueError("7 bits and a random start do not go together")


def test_make_converts_what_the_command_line_gives() -> None:
    result = options.make(Sample, {"bits": "2", "rate": "1e-3", "trained": "false", "width": "8"}, "sample")
    assert result == Sample(bits=2, rate=1e-3, trained=False, width=8)
    assert options.make(Sample, {"rate": 1}, "sample").rate == 1.0


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"bist": 4}, "sample: no option 'bist'; choose from bits, start, rate, trained, width"),
        ({"bits": 0}, "sample: bits = 0 is not an integer at least 1 and at most 8"),
        ({"bits": 9}, "sample: bits = 9 is not an integer at least 1 and at most 8"),
        ({"bits": "four"}, "sample: bits = 'four' is not an integer at least 1 and at most 8"),
        ({"bits": 4.5}, "sample: bits = 4.5 is not an integer"),
        ({"bits": "4.0"}, "sample: bits = '4.0' is not an integer"),
        ({"bits": True}, "sample: bits = True is not an integer"),
        ({"start": "middle"}, "sample: start = 'middle' is not one of linear, random"),
        ({"rate": -1}, "sample: rate = -1 is not a number at least 0.0"),
        ({"trained": "perhaps"}, "sample: trained = 'perhaps' is not true or false"),
        ({"trained": "yes"}, "sample: trained = 'yes' is not true or false"),
        ({"width": 3}, "sample: width = 3 is not one of 2, 4, 8"),
        ({"width": "4.0"}, "sample: width = '4.0' is not one of 2, 4, 8"),
        ({"rate": "nan"}, "sample: rate = 'nan' is not a number at least 0.0"),
        ({"bits": 7, "start": "random"}, "sample: 7 bits and a random start do not go together"),
    ],
)
def test_make_refuses_in_one_line(given_: dict, says: str) -> None:
    with refused(says):
        options.make(Sample, given_, "sample")


def test_an_option_without_default_must_be_given() -> None:
    @dataclass(frozen=True)
    class Needy:
        bits: int

    with pytest.raises(ValueError, match="needy: option 'bits' must be given"):
        options.make(Needy, {}, "needy")


@given(
    st.builds(
        Sample,
        bits=st.integers(1, 6),
        start=st.sampled_from(["linear", "random"]),
        rate=st.floats(0, 1e9),
        trained=st.booleans(),
    )
)
def test_a_spec_and_a_command_line_say_the_same_as_the_options(sample: Sample) -> None:
    settings = {field.name: getattr(sample, field.name) for field in fields(Sample)}
    name, parsed = options.parse(options.spell("method", settings))
    assert name == "method"
    assert options.make(Sample, parsed, name) == sample

    parser = argparse.ArgumentParser()
    options.add_arguments(parser, Sample)
    arguments = parser.parse_args(options.flags(settings).split())
    assert options.from_arguments(arguments, Sample, "sample") == sample


def test_a_flag_that_is_not_given_leaves_the_default() -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser, Sample)
    assert options.from_arguments(parser.parse_args([]), Sample, "sample") == Sample()
    assert "100% of it" in parser.format_help()


def test_parse_names_what_is_not_a_setting() -> None:
    assert options.parse("fp16") == ("fp16", {})
    with pytest.raises(ValueError, match="expected name:key=value,key=value, found 'bits'"):
        options.parse("kmeans:bits")


def test_declared_reads_a_class_without_importing_its_module(tmp_path) -> None:
    file = tmp_path / "method.py"
    file.write_text(
        "from __future__ import annotations\n"
        "import a_module_that_does_not_exist\n"
        "from tzip.options import option\n"
        "@dataclass(frozen=True)\n"
        "class Options:\n"
        "    '''Its options.'''\n"
        "    bits: int = option(4, 'bits', low=1, high=8)\n"
        "    @property\n"
        "    def levels(self) -> int:\n"
        "        return 2**self.bits\n"
    )
    declared = options.declared(file)
    assert declared(bits=3).levels == 8
    with pytest.raises(ValueError, match="no class Missing"):
        options.declared(file, "Missing")
