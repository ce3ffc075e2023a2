# Nothing of a compression method is among the inputs: training never reruns because a method changed.
# The state and the journal are no outputs: Snakemake removes outputs before it starts a job, and a training
# that was killed continues from them.
rule train:
    """The baseline, trained."""
    input:
        train=multiext(f"{RUN}/data/train", ".tokens.npy", ".offsets.npy"),
        dev=multiext(f"{RUN}/data/dev", ".tokens.npy", ".offsets.npy", f".{SOURCE}", f".{TARGET}"),
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
        store=f"--store {shlex.quote(STORE)}" if STORE else "",  # no parameter: where the same model comes from reruns nothing
    params:
        train=prefix("train"),
        dev=prefix("dev"),
        model=flags(config["model"]),
        training=flags(config["training"]),
        threads=config["threads"]["train"],
        folder=subpath(output.summary, parent=True),
    shell:
        f"python {SCRIPTS}/train.py"
        " --train {params.train} --dev {params.dev}"
        f" --dev-source {{params.dev}}.{SOURCE} --dev-target {{params.dev}}.{TARGET}"
        " --pieces {input.pieces} {params.model} {params.training} --seed {wildcards.seed}"
        " --threads {params.threads} --state {params.folder}/state --journal {params.folder}/training.jsonl"
        " --output {params.folder}/checkpoint --summary {output.summary} {resources.store} 2> >(tee -i {log} >&2)"
