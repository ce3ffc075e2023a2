"""Model cards beside exports."""

from pathlib import Path

import pytest
import yaml

from tzip.exchange import card
from tzip.exchange.options import Export

HISTORY = {"name": "small", "updates": 1200, "variant": {"quantize": "uniform:bits=4", "budget": "", "dropout": -1.0}}


@pytest.mark.parametrize(
    ("content", "license"),
    [
        ("---\nlanguage: [en, de]\nlicense: cc-by-4.0\n---\n\n# A model\n", "cc-by-4.0"),
        ("---\nlanguage: en\n---\n", ""),
        ("---\nlicense: [mit, apache-2.0]\n---\n", ""),
        ("---\nlicense: 'never closed\n---\n", ""),
        ("# A model\n\nlicense: mit\n", ""),
        ("---\nlicense: mit\n", ""),
    ],
)
def test_a_license_is_read_from_the_front_matter(tmp_path: Path, content: str, license: str) -> None:
    (tmp_path / card.NAME).write_text(content)
    assert card.license_of(tmp_path) == license
    assert card.license_of(tmp_path / card.NAME) == ""  # no folder


def test_what_is_known_is_told() -> None:
    origin = {"format": "marian", "license": "apache-2.0", "files": {"model.npz": "ab"}}
    text = card.text(HISTORY | {"origin": origin}, Export(base_model="opus/en-de"), "Open it.")
    _, front, rest = text.split("---\n")
    assert yaml.safe_load(front) == {
        "pipeline_tag": "translation",
        "tags": ["tzip", "ctranslate2"],
        "license": "apache-2.0",
        "base_model": "opus/en-de",
        "base_model_relation": "quantized",
    }
    for said in ("quantize uniform:bits=4.", "1,200 updates", "`marian`", "`ab` model.npz", "\nOpen it.\n"):
        assert said in rest
    assert "budget" not in rest
    assert "dropout" not in rest


def test_an_option_comes_before_the_record() -> None:
    origin = {"format": "marian", "license": "apache-2.0", "files": {}}
    front = yaml.safe_load(card.text({"origin": origin}, Export(license="mit"), "").split("---\n")[1])
    assert front["license"] == "mit"


def test_what_is_not_known_is_not_guessed() -> None:
    text = card.text({}, Export(), "")
    assert "license" not in yaml.safe_load(text.split("---\n")[1])
    assert "License: not given" in text
    assert "Base model: not given" in text
