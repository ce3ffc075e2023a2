rule figure_of_frontier:
    input:
        frontier=f"{RUN}/tables/frontier.csv",
        code=[
            "tzip/report/plots_frontier.py",
            "tzip/report/plots.py",
            "tzip/report/points.py",
            "tzip/report/paper.py",
        ],
    output:
        f"{RUN}/figures/frontier.png",
        report(
            f"{RUN}/figures/frontier.svg",
            caption="../report/frontier.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/figure-of-frontier.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_frontier.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        test=TESTS[0],
        note=NOTE_FLAG,
    shell:
        "python workflow_scripts/figures.py frontier --results {params.folder} --test {params.test} {params.note}"
        " --output {output} 2> {log}"


rule figure_of_sharpness:
    input:
        attention=ATTENTION,
        code=["tzip/report/plots.py", "tzip/report/paper.py"],
    output:
        f"{RUN}/figures/sharpness.png",
        report(
            f"{RUN}/figures/sharpness.svg",
            caption="../report/sharpness.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/sharpness.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_sharpness.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
    shell:
        "python workflow_scripts/figures.py sharpness --results {params.folder} {params.run} --output {output} 2> {log}"


rule figure_of_attention:
    input:
        maps=[f"{RUN}/seed-{SEEDS[0]}/{row}/attention.npz" for row in config["attention"]["rows"]],
        code=["tzip/report/plots.py", "tzip/report/paper.py"],
    output:
        f"{RUN}/figures/attention.svg",
        report(
            f"{RUN}/figures/attention.png",
            caption="../report/attention.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/attention.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_attention.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(config["attention"]["rows"]),
    shell:
        "python workflow_scripts/figures.py attention --results {params.folder} {params.run} --output {output} 2> {log}"


rule figure_of_layers:
    input:
        maps=f"{RUN}/seed-{SEEDS[0]}/{{variant}}/attention.npz",
        code=["tzip/report/plots.py", "tzip/report/paper.py"],
    output:
        f"{RUN}/figures/attention-layers-{{variant}}.svg",
        report(
            f"{RUN}/figures/attention-layers-{{variant}}.png",
            caption="../report/attention-layers.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/attention-layers.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_layers.{{variant}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        note=NOTE_FLAG,
    shell:
        "python workflow_scripts/figures.py attention-layers --maps {input.maps} --name {wildcards.variant}"
        " {params.note} --output {output} 2> {log}"


rule figure_of_weights:
    input:
        weights=f"{RUN}/seed-{SEEDS[0]}/{config['weights']}/weights.npz",
        code=["tzip/report/plots.py"],
    output:
        f"{RUN}/figures/weights.png",
        report(
            f"{RUN}/figures/weights.svg",
            caption="../report/weights.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/weights.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_weights.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        note=NOTE_FLAG,
    shell:
        "python workflow_scripts/figures.py weights --weights {input.weights} {params.note}"
        " --output {output} 2> {log}"


rule figure_of_cumulative_weights:
    input:
        weights=f"{RUN}/seed-{SEEDS[0]}/{config['weights']}/weights.npz",
        code=["tzip/report/plots.py"],
    output:
        f"{RUN}/figures/cumulative.png",
        report(
            f"{RUN}/figures/cumulative.svg",
            caption="../report/cumulative.rst",
            category="Figures",
        ),
    log:
        f"{RUN}/logs/cumulative.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_cumulative_weights.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        note=NOTE_FLAG,
    shell:
        "python workflow_scripts/figures.py cumulative --weights {input.weights} {params.note}"
        " --output {output} 2> {log}"
