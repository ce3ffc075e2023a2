# In the place of rules pieces and train: a model from elsewhere, and the vocabulary that it came with.
rule import_pieces:
    input:
        f"{RUN}/seed-{SEEDS[0]}/checkpoint/pieces.model",
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
        "cp {input} {output} 2> {log}"


rule import_baseline:
    input:
        IMPORTED,
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
        model=IMPORT_FLAGS,
        max_length=MAX_LENGTH,
        folder=subpath(output.summary, parent=True),
    shell:
        "python workflow_scripts/import.py {params.model} --max-length {params.max_length}"
        " --output {params.folder}/checkpoint --summary {output.summary} 2> {log}"


ruleorder: import_pieces > pieces
ruleorder: import_baseline > train
