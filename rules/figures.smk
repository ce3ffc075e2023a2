rule figure_of_frontier:
    """BLEU against real bytes: the run's variants with their frontier, and published points."""
    input:
        f"{RUN}/tables/frontier.csv",
    output:
        f"{RUN}/figures/frontier.png",
        report(f"{RUN}/figures/frontier.svg", caption="../report/frontier.rst", category="Figures"),
    log:
        f"{RUN}/logs/figure-of-frontier.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_frontier.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        figure=lambda wildcards: f"frontier --results {RUN} {NOTE_FLAG}",
        code=code("figures"),
    shell:
        f"python {SCRIPTS}/figures.py" " {params.figure} --output {output} 2> {log}"


# Entropy of the attention rows and distance from the baseline's maps, per row.
use rule figure_of_frontier as figure_of_sharpness with:
    input:
        ATTENTION,
    output:
        f"{RUN}/figures/sharpness.png",
        report(f"{RUN}/figures/sharpness.svg", caption="../report/sharpness.rst", category="Figures"),
    log:
        f"{RUN}/logs/sharpness.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_sharpness.tsv"
    params:
        figure=lambda wildcards: f"sharpness {of_run(ROWS)}",
        code=code("figures"),


# The paper's grid: heads of one encoder layer, one line of heat maps per row.
use rule figure_of_frontier as figure_of_attention with:
    input:
        [f"{RUN}/seed-{SEEDS[0]}/{row}/attention.npz" for row in config["attention"]["rows"]],
    output:
        f"{RUN}/figures/attention.svg",
        report(f"{RUN}/figures/attention.png", caption="../report/attention.rst", category="Figures"),
    log:
        f"{RUN}/logs/attention.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_attention.tsv"
    params:
        figure=lambda wildcards: f"attention {of_run(config['attention']['rows'])}",
        code=code("figures"),


# All layers and heads of one row.
use rule figure_of_frontier as figure_of_layers with:
    input:
        f"{RUN}/seed-{SEEDS[0]}/{{variant}}/attention.npz",
    output:
        f"{RUN}/figures/attention-layers-{{variant}}.svg",
        report(f"{RUN}/figures/attention-layers-{{variant}}.png", "../report/attention-layers.rst", category="Figures"),
    log:
        f"{RUN}/logs/attention-layers.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_layers.{{variant}}.tsv"
    params:
        figure=lambda wildcards, input: f"attention-layers --maps {input} --name {wildcards.variant} {NOTE_FLAG}",
        code=code("figures"),


# Weights before and after k-means, with the centroids.
use rule figure_of_frontier as figure_of_weights with:
    input:
        f"{RUN}/seed-{SEEDS[0]}/{config['weights']}/weights.npz",
    output:
        f"{RUN}/figures/weights.png",
        report(f"{RUN}/figures/weights.svg", caption="../report/weights.rst", category="Figures"),
    log:
        f"{RUN}/logs/weights.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_weights.tsv"
    params:
        figure=lambda wildcards, input: f"weights --weights {input} {NOTE_FLAG}",
        code=code("figures"),


# The cumulative distribution of the weights, trained and quantized.
use rule figure_of_weights as figure_of_cumulative_weights with:
    output:
        f"{RUN}/figures/cumulative.png",
        report(f"{RUN}/figures/cumulative.svg", caption="../report/cumulative.rst", category="Figures"),
    log:
        f"{RUN}/logs/cumulative.log",
    benchmark:
        f"{RUN}/benchmarks/figure_of_cumulative_weights.tsv"
    params:
        figure=lambda wildcards, input: f"cumulative --weights {input} {NOTE_FLAG}",
        code=code("figures"),
