# transformers.zip, regenerated: corpus → baseline → variants → files → scores → tables, figures, page.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/datasets.yaml"
configfile: "config.yaml"


if not workflow.overwrite_configfiles:  # no --configfile: the default run

    configfile: "config/default.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/train.smk"


if IMPORTED:

    include: "rules/import.smk"


include: "rules/students.smk"
include: "rules/compress.smk"
include: "rules/evaluate.smk"
include: "rules/speed.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        f"{RUN}/report.html",
