# What a run found, for readers. tables/ holds nothing that a clock decides: the same run, the same bytes.
rule record:
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
        config=configuration.recorded(config),
    shell:
        "python workflow_scripts/record.py --config {params.config:q} --output {output} 2> {log}"


rule provenance:
    input:
        config=f"{RUN}/config.json",
        data=[f"{RUN}/data/pieces.model", *TEXTS],
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
        folder=subpath(output[0], parent=True),
        run=of_run(ROWS + config["made"]),
        origin=ORIGIN_FLAG,
    shell:
        "python workflow_scripts/provenance.py --config {input.config} --results {params.folder} {params.run}"
        " --data {input.data} {params.origin} --output {output} 2> {log}"


rule tables:
    input:
        results=SCORED,
        cleaning=f"{RUN}/data/cleaning.json",
        provenance=f"{RUN}/provenance.json",
        code=["tzip/report/tables.py", "tzip/report/results.py", "tzip/report/paper.py"],
    output:
        report(
            f"{RUN}/tables/table1.csv",
            caption="../report/table1.rst",
            category="Tables",
        ),
        report(f"{RUN}/tables/tests.csv", caption="../report/tests.rst", category="Tables"),
        report(
            f"{RUN}/tables/cleaning.csv",
            caption="../report/cleaning.rst",
            category="Tables",
        ),
        expand(
            f"{RUN}/tables/{{table}}.{{suffix}}",
            table=["table1", "tests", "cleaning"],
            suffix=["md", "tex"],
        ),
    log:
        f"{RUN}/logs/tables.log",
    benchmark:
        f"{RUN}/benchmarks/tables.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
    shell:
        "python workflow_scripts/tables.py --results {params.folder} {params.run} --provenance {input.provenance}"
        " --output {params.folder}/tables 2> {log}"


rule claims:
    input:
        results=SCORED,
        attention=ATTENTION,
        provenance=f"{RUN}/provenance.json",
        code=[
            "tzip/report/claims.py",
            "tzip/report/tables.py",
            "tzip/report/results.py",
            "tzip/report/paper.py",
        ],
    output:
        report(
            f"{RUN}/tables/claims.csv",
            caption="../report/claims.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/tables/claims", ".md", ".tex", ".json"),
    log:
        f"{RUN}/logs/claims.log",
    benchmark:
        f"{RUN}/benchmarks/claims.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
        scores=flags(RESAMPLING),
    shell:
        "python workflow_scripts/claims.py --results {params.folder} {params.run} {params.scores}"
        " --provenance {input.provenance} --output {params.folder}/tables 2> {log}"


rule frontier:
    input:
        results=FRONTIER,
        config=f"{RUN}/config.json",  # what the commands that make these files start from
        provenance=f"{RUN}/provenance.json",
        code=[
            "tzip/report/frontier.py",
            "tzip/report/points.py",
            "tzip/report/tables.py",
            "tzip/report/results.py",
        ],
    output:
        report(
            f"{RUN}/tables/frontier.csv",
            caption="../report/frontier-table.rst",
            category="Tables",
        ),
        report(
            f"{RUN}/tables/ranking.csv",
            caption="../report/ranking.rst",
            category="Tables",
        ),
        report(
            f"{RUN}/tables/methods.csv",
            caption="../report/methods.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/tables/frontier", ".md", ".tex"),
        multiext(f"{RUN}/tables/methods", ".md", ".tex"),
        multiext(f"{RUN}/tables/ranking", ".md", ".tex"),
    log:
        f"{RUN}/logs/frontier.log",
    benchmark:
        f"{RUN}/benchmarks/frontier.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS + config["made"]),
    shell:
        "python workflow_scripts/frontier.py --results {params.folder} {params.run}"
        " --provenance {input.provenance} --output {params.folder}/tables 2> {log}"


# Only where the configuration has goals.
rule goals:
    input:
        frontier=f"{RUN}/tables/frontier.csv",
        provenance=f"{RUN}/provenance.json",
        code=["tzip/report/goals.py", "tzip/report/frontier.py", "tzip/report/tables.py"],
    output:
        report(
            f"{RUN}/tables/goals.csv",
            caption="../report/goals.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/tables/goals", ".md", ".tex"),
    log:
        f"{RUN}/logs/goals.log",
    benchmark:
        f"{RUN}/benchmarks/goals.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS + config["made"]),
        goals=GOALS_FLAG,
    shell:
        "python workflow_scripts/goals.py --results {params.folder} {params.run} {params.goals}"
        " --provenance {input.provenance} --output {params.folder}/tables 2> {log}"


rule timings:
    input:
        results=SCORED,
        training=[f"{RUN}/seed-{seed}/training.json" for seed in SEEDS],
        provenance=f"{RUN}/provenance.json",
        code=[
            "tzip/report/tables.py",
            "tzip/report/claims.py",
            "tzip/report/results.py",
            "tzip/report/paper.py",
        ],
    output:
        report(
            f"{RUN}/timings/speed.csv",
            caption="../report/speed.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/timings/speed", ".md", ".tex"),
        multiext(f"{RUN}/timings/claim8", ".md", ".json"),
        f"{RUN}/timings/table1.txt",
    log:
        f"{RUN}/logs/timings.log",
    benchmark:
        f"{RUN}/benchmarks/timings.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
    shell:
        "python workflow_scripts/timings.py --results {params.folder} {params.run} --provenance {input.provenance}"
        " --output {params.folder}/timings 2> {log}"


# When all but the page is there: what it took.
rule stages:
    input:
        tables=[
            rules.tables.output,
            rules.claims.output,
            rules.frontier.output,
            rules.timings.output,
        ],
        figures=FIGURES,
        speed=SPEED_TABLE,
        goals=GOALS_TABLE,
        provenance=f"{RUN}/provenance.json",
        code=["tzip/report/stages.py", "tzip/report/tables.py"],
    output:
        report(
            f"{RUN}/timings/stages.csv",
            caption="../report/stages.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/timings/stages", ".md", ".tex"),
    log:
        f"{RUN}/logs/stages.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
    shell:
        "python workflow_scripts/stages.py --results {params.folder} {params.run} --provenance {input.provenance}"
        " --output {params.folder}/timings 2> {log}"


# The tables stand for the scores and sizes behind them: `rules.X.output` beside a thousand variants' files would
# cost Snakemake seconds.
rule page:
    input:
        tables=[
            rules.tables.output,
            rules.claims.output,
            rules.frontier.output,
            rules.timings.output,
            rules.stages.output,
        ],
        figures=FIGURES,
        speed=SPEED_TABLE,
        goals=GOALS_TABLE,
        provenance=f"{RUN}/provenance.json",
        code=[
            "tzip/report/page.py",
            "tzip/report/page.html",
            "tzip/report/chart.py",
            "tzip/report/chart.html",
            "tzip/report/frontier.py",
            "tzip/report/goals.py",
            "tzip/report/tables.py",
            "tzip/report/speed.py",
            "tzip/report/stages.py",
            "tzip/report/paper.py",
        ],
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
        folder=subpath(output[0], parent=True),
        run=of_run(ROWS),
        speed=SPEED_FLAG,
        goals=GOALS_FLAG,
    shell:
        "python workflow_scripts/page.py --results {params.folder} {params.run} {params.goals} {params.speed}"
        " --provenance {input.provenance} --output {output} 2> {log}"
