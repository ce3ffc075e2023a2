# Nothing of a compression method is among the inputs: training never reruns because a method changed.
# The state and the journal are no outputs: Snakemake removes outputs before it starts a job, and a training
# that was killed continues from them.
rule train:
    """The baseline, trained."""
    input:
        train=f"{RUN}/data/train.tokens.npy",
        train_offsets=f"{RUN}/data/train.offsets.npy",
        dev=f"{RUN}/data/dev.tokens.npy",
        dev_offsets=f"{RUN}/data/dev.offsets.npy",
        dev_source=f"{RUN}/data/dev.{SOURCE}",
        dev_target=f"{RUN}/data/dev.{TARGET}",
        pieces=f"{RUN}/data/pieces.model",
    output:
        model=f"{OF_SEED}/checkpoint/model.safetensors",
        others=multiext(f"{OF_SEED}/checkpoint/", "config.json", "pieces.model"),
        summary=f"{OF_SEED}/training.json",
    log:
        f"{RUN}/logs/train.seed-{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/train.seed-{{seed}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["train"]
    resources:
        mem_mb=growing(8000),
        store=STORE_FLAG,  # no parameter: where the same model comes from reruns nothing
    params:
        train=subpath(input.train, strip_suffix=".tokens.npy"),
        dev=subpath(input.dev, strip_suffix=".tokens.npy"),
        model=flags(config["model"]),
        training=flags(config["training"]),
        threads=config["threads"]["train"],
        folder=subpath(output.summary, parent=True),
    shell:
        "python {SCRIPTS}/train.py --train {params.train} --dev {params.dev}"
        " --dev-source {input.dev_source} --dev-target {input.dev_target} --pieces {input.pieces}"
        " {params.model} {params.training} --seed {wildcards.seed} --threads {params.threads}"
        " --state {params.folder}/state --journal {params.folder}/training.jsonl"
        " --output {params.folder}/checkpoint --summary {output.summary} {resources.store} 2> {log}"
