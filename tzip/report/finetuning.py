"""How a run's rows were fine-tuned, in words for tables: updates beside the paper's, and what the control had."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tzip.report import paper


def words(record: Mapping[str, Any]) -> str:
    """The fine-tuning of a row in words, of its compress.json; '' for none. Older files have the updates alone."""
    updates, options, plan = record.get("updates"), record.get("finetune") or {}, record.get("plan") or {}
    if not updates:
        return ""
    parts = [f"{updates:,} updates"]
    if options:
        parts[0] += f" of {options['batch_tokens'] * options['accumulate']:,} tokens"
        parts.append(
            f"learning rate {options['learning_rate']:g}" if options["schedule"] != "noam" else "Noam schedule"
        )
    if "dropout" in plan:
        parts.append("the model's dropout" if plan["dropout"] < 0 else f"dropout {plan['dropout']:g}")
    if options:
        parts.append(f"teacher {options['teacher']:g}" if options["teacher"] else "no teacher")
    return ", ".join(parts)


def notes(frame: pd.DataFrame) -> list[str]:
    """What a table's foot says of fine-tuning; frame: columns row, updates, finetuning, control."""
    rows = frame.drop_duplicates("row").set_index("row")
    tuned = rows[rows["updates"] > 0]
    if tuned.empty:
        return []
    fewest, most = (f"{end:,.0f}" for end in (tuned["updates"].min(), tuned["updates"].max()))
    said = f"{fewest} updates" if fewest == most else f"{fewest} to {most} updates"
    result = [f"fine-tuning: {said} for each row that has any; the paper's rows had up to {paper.UPDATES:,}"]
    control = rows["control"].iloc[0]
    if isinstance(control, str) and control in tuned.index:
        how = tuned.loc[control, "finetuning"]
        others = tuned.drop(control)
        different = int((others["finetuning"] != how).sum())
        less = f"; {different} of {len(others)} other rows were fine-tuned differently" if different else ""
        result.append(
            f"control: row '{control}', stored in 16 bits instead of being compressed, and fine-tuned as the others: "
            f"{how}{less}"
        )
    return result
