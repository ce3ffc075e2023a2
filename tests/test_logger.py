"""What `snakemake --logger tzip` prints: a line per job that ended, and of a failed one its command and error."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SNAKEFILE = """
rule all:
    input: "a.txt", "b.txt"
rule works:
    output: "{name}.txt"
    wildcard_constraints: name="a"
    shell: "echo > {output}"
rule fails:
    output: "b.txt"
    log: "b.log"
    shell: "(echo first; echo; echo 'error: the reason'; echo) > {log}; exit 3"
"""


def test_one_line_per_job_and_the_reason_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", "--logger", "tzip"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    said = re.sub(r"(?m)^ *\d+:\d\d  |  \d+ s$", "", done.stderr)
    assert "3 jobs to do\n" in said
    assert "1/3  works a\n" in said
    assert "FAILED  fails\n" in said
    assert "command: (echo first; echo; echo 'error: the reason'; echo) > b.log; exit 3\n" in said
    assert "b.log: error: the reason\n" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) < 15
