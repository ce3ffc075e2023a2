# Once for all variants of a model: its second derivatives, for the methods that ask for them.
rule calibrate:
    input:
        checkpoint="{origin}/checkpoint/model.safetensors",
        config=multiext("{origin}/checkpoint/", "config.json", "pieces.model"),
        train=f"{RUN}/data/train.tokens.npy",
        train_offsets=f"{RUN}/data/train.offsets.npy",
    output:
        "{origin}/statistics.safetensors",
    log:
        "{origin}/statistics.log",
    benchmark:
        "{origin}/benchmarks/calibrate.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["compress"]
    resources:
        mem_mb=growing(4000),
    params:
        checkpoint=subpath(input.checkpoint, parent=True),
        data=subpath(input.train, parent=True),
        calibration=flags(config["calibration"]),
        seed=seed_of,
        threads=config["threads"]["compress"],
    shell:
        "python workflow_scripts/calibrate.py --checkpoint {params.checkpoint} --data {params.data}"
        " {params.calibration} --seed {params.seed} --threads {params.threads} --output {output} 2> {log}"


# A variant is made again when its own plan, the checkpoint or the file of a method that it uses changes.
rule compress:
    input:
        checkpoint=start,
        config=start_config,
        teacher=taught,
        train=f"{RUN}/data/train.tokens.npy",
        train_offsets=f"{RUN}/data/train.offsets.npy",
        methods=method_files,
        statistics=statistics,
    output:
        model=f"{OF_VARIANT}/model.tzip",
        summary=f"{OF_VARIANT}/compress.json",
    log:
        f"{RUN}/logs/compress.seed-{{seed}}.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/compress.seed-{{seed}}.{{variant}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["compress"]
    resources:
        mem_mb=growing(4000),
    params:
        checkpoint=subpath(input.checkpoint, parent=True),
        data=subpath(input.train, parent=True),
        plan=plan,
        threads=config["threads"]["compress"],
        folder=subpath(output.model, parent=True),
    shell:
        "python workflow_scripts/compress.py --checkpoint {params.checkpoint} --data {params.data}"
        " --name {wildcards.variant} {params.plan} --seed {wildcards.seed} --threads {params.threads}"
        " --state {params.folder}/state --output {output.model} --summary {output.summary} 2> {log}"


# The baseline's file, which every variant is held against, apart: a scheduler may group the others by variant.
use rule compress as compress_baseline with:
    output:
        model=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/model.tzip",
        summary=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/compress.json",


ruleorder: compress_baseline > compress
