"""How rows were fine-tuned, in words."""

import pandas as pd
import pytest

from tests.toys.run import FINETUNE
from tzip.report import finetuning


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, ""),
        ({"updates": 0, "plan": {"dropout": -1.0}}, ""),
        ({"updates": 1200}, "1,200 updates"),  # of an earlier revision
        (
            {"updates": 1200, "finetune": FINETUNE | {"teacher": 0.7}, "plan": {"dropout": 0.05}},
            "1,200 updates of 1,024 tokens, learning rate 0.001, dropout 0.05, teacher 0.7",
        ),
        (
            {"updates": 7, "finetune": FINETUNE | {"schedule": "noam"}, "plan": {"dropout": -1.0}},
            "7 updates of 1,024 tokens, Noam schedule, the model's dropout, no teacher",
        ),
    ],
)
def test_a_record_in_words(record: dict, words: str) -> None:
    assert finetuning.words(record) == words


def test_the_foot_says_where_rows_differ_from_the_control() -> None:
    lines = [
        ("baseline", 0.0, ""),
        ("even", 500.0, "500 updates"),
        ("a", 500.0, "500 updates"),
        ("b", 9.0, "9 updates"),
    ]
    frame = pd.DataFrame(lines, columns=["row", "updates", "finetuning"]).assign(control="even")
    first, second = finetuning.notes(pd.concat([frame, frame]))
    assert first.startswith("fine-tuning: 9 to 500 updates ")
    assert second.endswith("as the others: 500 updates; 1 of 2 other rows were fine-tuned differently")
    assert len(finetuning.notes(frame.assign(control=""))) == 1
    assert finetuning.notes(frame[:1]) == []
