# The results of a run, for readers. No file in tables/ depends on time: the same run gives the same bytes.
rule record:
    """The configuration that the run follows from."""
    output:
        f"{RUN}/config.json",
    log:
        f"{RUN}/logs/record.log",
    benchmark:
        f"{RUN}/benchmarks/record.tsv"
    priority: 100  # `tzip status` reads it
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(500),
    params:
        config=lambda wildcards: configuration.recorded(config),
    shell:
        f"python {SCRIPTS}/record.py" " --config {params.config:q} --output {output} 2> {log}"


rule provenance:
    """What produced the run: revision, configuration, data, device, packages."""
    input:
        config=f"{RUN}/config.json",
        data=[*PIECES, *TEXTS],
        origin=ORIGIN,
        made=expand("{row}/compress.json", row=OF_ALL),
    output:
        f"{RUN}/provenance.json",
    log:
        f"{RUN}/logs/provenance.log",
    benchmark:
        f"{RUN}/benchmarks/provenance.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        run=lambda wildcards: of_run(ROWS + config["made"]),
        origin=f"--origin {ORIGIN[0]}" if ORIGIN else "",
    shell:
        f"python {SCRIPTS}/provenance.py"
        " --config {input.config} {params.run} --data {input.data} {params.origin} --output {output} 2> {log}"


rule tables:
    """Table 1, scores by test set, and what cleaning removed from the corpus."""
    input:
        results=SCORED,
        dev=expand("{row}/{test}.score.json", row=OF_ROWS, test=CHOOSING),
        cleaning=f"{RUN}/data/cleaning.json",
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/tables/table1.csv", caption="../report/table1.rst", category="Tables"),
        report(f"{RUN}/tables/tests.csv", caption="../report/tests.rst", category="Tables"),
        report(f"{RUN}/tables/cleaning.csv", caption="../report/cleaning.rst", category="Tables"),
        expand(f"{RUN}/tables/{{table}}.{{end}}", table=["table1", "tests", "cleaning"], end=["md", "tex"]),
    log:
        f"{RUN}/logs/tables.log",
    benchmark:
        f"{RUN}/benchmarks/tables.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        step="tables",
        run=lambda wildcards: of_run(ROWS, tests=list(dict.fromkeys([*TESTS, *CHOOSING]))),
        to=subpath(output[0], parent=True),
        code=code("tables"),
    shell:
        f"python {SCRIPTS}/{{params.step}}.py"
        " {params.run} --provenance {input.provenance} --output {params.to} 2> {log}"


# The paper's claims, judged.
use rule tables as claims with:
    input:
        results=SCORED,
        dev=expand("{row}/{test}.score.json", row=OF_ROWS, test=CHOOSING),
        attention=ATTENTION,
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/tables/claims.csv", caption="../report/claims.rst", category="Tables"),
        multiext(f"{RUN}/tables/claims", ".md", ".tex", ".json"),
    log:
        f"{RUN}/logs/claims.log",
    benchmark:
        f"{RUN}/benchmarks/claims.tsv"
    params:
        step="claims",
        run=lambda wildcards: of_run(
            ROWS,
            flags({k: config["scores"][k] for k in ("samples", "seed") if k in config["scores"]}),
            f"--select {DEV}" if config["select"] == DEV else "",
        ),
        to=subpath(output[0], parent=True),
        code=code("claims"),


# The variants of a grid that the development set chooses: the tests score no others.
checkpoint choose:
    """Which variants the development set chooses, before any test set has scored one of a grid."""
    input:
        DECIDING,
    output:
        f"{RUN}/chosen.json",
    log:
        f"{RUN}/logs/choose.log",
    benchmark:
        f"{RUN}/benchmarks/choose.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        run=lambda wildcards: of_run(ROWS + config["made"], tests=[DEV]),
        code=code("choose"),
    shell:
        f"python {SCRIPTS}/choose.py" " {params.run} --output {output} 2> {log}"


# The frontier of all variants, where their methods come from, and their ranking.
use rule tables as frontier with:
    input:
        results=[*DECIDING, *expand("{row}/compress.json", row=OF_ALL)],
        reported=of_reported(*(f"{test}.score.json" for test in TESTS)),
        config=f"{RUN}/config.json",  # what the commands that make these files start from
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/tables/frontier.csv", caption="../report/frontier-table.rst", category="Tables"),
        report(f"{RUN}/tables/ranking.csv", caption="../report/ranking.rst", category="Tables"),
        report(f"{RUN}/tables/methods.csv", caption="../report/methods.rst", category="Tables"),
        expand(f"{RUN}/tables/{{table}}.{{end}}", table=["frontier", "methods", "ranking"], end=["md", "tex"]),
    log:
        f"{RUN}/logs/frontier.log",
    benchmark:
        f"{RUN}/benchmarks/frontier.tsv"
    params:
        step="frontier",
        run=lambda wildcards: of_run(
            ROWS + config["made"],
            *([f"--select {DEV} --reported {','.join(reported(wildcards))}"] if config["select"] == DEV else []),
        ),
        to=subpath(output[0], parent=True),
        code=code("frontier"),


# What depends on time: each row's costs, Table 1 with costs for terminals, the claim about speed.
use rule tables as timings with:
    input:
        results=SCORED,
        rounds=ROUNDS,
        training=[f"{RUN}/seed-{seed}/training.json" for seed in SEEDS],
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/timings/speed.csv", caption="../report/speed.rst", category="Tables"),
        multiext(f"{RUN}/timings/speed", ".md", ".tex"),
        multiext(f"{RUN}/timings/claim8", ".md", ".json"),
        f"{RUN}/timings/table1.txt",
    log:
        f"{RUN}/logs/timings.log",
    benchmark:
        f"{RUN}/benchmarks/timings.tsv"
    params:
        step="timings",
        run=lambda wildcards: of_run(ROWS),
        to=subpath(output[0], parent=True),
        code=code("timings"),


rule stages:
    """What the run took, by stage, when all but the page is made."""
    input:
        tables=[rules.tables.output, rules.claims.output, rules.frontier.output, rules.timings.output],
        figures=FIGURES,
        speed=SPEED_TABLE,
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/timings/stages.csv", caption="../report/stages.rst", category="Tables"),
        multiext(f"{RUN}/timings/stages", ".md", ".tex"),
    log:
        f"{RUN}/logs/stages.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        run=lambda wildcards: of_run(ROWS),
        to=subpath(output[0], parent=True),
        code=code("stages"),
    shell:
        f"python {SCRIPTS}/stages.py" " {params.run} --provenance {input.provenance} --output {params.to} 2> {log}"


# The tables stand for the scores and sizes behind them: `rules.X.output` beside a thousand variants' files would
# cost Snakemake seconds.
rule page:
    """The report of the run, one file that needs no network."""
    input:
        tables=[*rules.stages.input.tables, rules.stages.output],
        figures=FIGURES,
        speed=SPEED_TABLE,
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/report.html", caption="../report/page.rst", category="Page"),
    log:
        f"{RUN}/logs/page.log",
    benchmark:
        f"{RUN}/benchmarks/page.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        run=lambda wildcards: of_run(ROWS, SPEED_FLAG),
        code=dependencies.digest("page", *sorted(REPOSITORY.glob("report/*.rst"))),
    shell:
        f"python {SCRIPTS}/page.py"
        " {params.run} --provenance {input.provenance}"
        f" --captions {CAPTIONS}"
        " --output {output} 2> {log}"
