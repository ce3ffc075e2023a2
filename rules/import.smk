# Instead of the rules pieces and train: a model from elsewhere, and its vocabulary.
rule import_pieces:
    """The vocabulary of an imported baseline, the same of all seeds."""
    input:
        expand(f"{OF_SEED}/checkpoint/pieces.model", seed=SEEDS),
    output:
        f"{RUN}/data/pieces.model",
    log:
        f"{RUN}/logs/import_pieces.log",
    benchmark:
        f"{RUN}/benchmarks/import_pieces.tsv"
    localrule: True
    conda:
        "../envs/data.yaml"
    shell:
        "bash -c 'for file in {input}; do cmp {input[0]} $file || exit 1; done; cp {input[0]} {output}' > {log} 2>&1"


rule import_baseline:
    """A model from elsewhere as the baseline."""
    input:
        made(IMPORTED),
    output:
        model=f"{OF_SEED}/checkpoint/model.safetensors",
        others=multiext(f"{OF_SEED}/checkpoint/", "config.json", "pieces.model", "origin.json"),
        summary=f"{OF_SEED}/training.json",
    log:
        f"{RUN}/logs/import_baseline.seed-{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/import_baseline.seed-{{seed}}.tsv"
    conda:
        "../envs/tzip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        model=lambda wildcards: imports.flags(config, DOWNLOADS, wildcards.seed),
        own=own(IMPORTED),
        max_length=MAX_LENGTH,
        folder=subpath(output.model, parent=True),
    shell:
        "tzip import --force {params.model} {params.folder} --max-length {params.max_length}"
        " --summary {output.summary} > {log} 2>&1"


ruleorder: import_pieces > pieces
ruleorder: import_baseline > train
