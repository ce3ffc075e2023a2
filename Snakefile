# transformers.zip, regenerated: corpus → baseline → variants → files → scores → tables, figures, page.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# The repository, wherever Snakemake was started: with --snakefile, --directory or as a module of another workflow.
REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=False))


configfile: str(REPOSITORY / "config/datasets.yaml")
configfile: str(REPOSITORY / "config.yaml")


if not workflow.overwrite_configfiles:  # no --configfile: the default run

    configfile: str(REPOSITORY / "config/default.yaml")


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"


if IMPORTED:

    include: "rules/import.smk"


include: "rules/students_common.smk"
include: "rules/students.smk"
include: "rules/compress.smk"
include: "rules/evaluate.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/speed.smk"


rule all:
    """The run's page, and all that it follows from: what a failed run took away is made again."""
    default_target: True
    input:
        rules.page.input,
        rules.page.output,
        behind(),
        of_reported(*(f"{test}.hyp.txt" for test in TESTS)),


onstart:
    # No report is shown of files that are about to change: a run that fails leaves none that looks finished.
    changing = {str(file) for job in workflow.dag.needrun_jobs() for file in job.output}
    shown = {file for file in changing if file.startswith(SHOWN)}
    if not changing.isdisjoint(map(str, rules.all.input)):
        shown.add(f"{RUN}/report.html")
    for file in shown:
        Path(file).unlink(missing_ok=True)
    # To start at most 100 jobs a second, Snakemake's scheduler looks again a second after each look, and once more for
    # every job that ended: after hundreds of jobs it takes a sixth of a core from the jobs.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
