rule calibrate:
    """The second derivatives of a model, once for all its variants, for the methods that need them."""
    input:
        checkpoint="{origin}/checkpoint/model.safetensors",
        config=multiext("{origin}/checkpoint/", "config.json", "pieces.model"),
        train=text_of_origin,
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
        data=prefix("train"),
        calibration=flags(config["calibration"]),
        seed=lambda wildcards: re.search(r"seed-(\d+)", wildcards.origin)[1],
        threads=config["threads"]["compress"],
    shell:
        "tzip calibrate --force {params.checkpoint} {output} --data {params.data} {params.calibration}"
        " --seed {params.seed} --threads {params.threads} 2> {log}"


rule compress:
    """A variant's file, made again when its plan, its checkpoint, or the code of a method that it uses changes."""
    input:
        checkpoint=start,
        config=start_config,
        teacher=teacher,
        soft_targets=soft_targets,
        train=lessons,
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
        data=prefix("train"),
        plan=plan,
        code=method_code,
        threads=config["threads"]["compress"],
        folder=subpath(output.model, parent=True),
    shell:
        "tzip compress --force {params.checkpoint} {output.model} --data {params.data}"
        " --name {wildcards.variant} {params.plan} --seed {wildcards.seed} --threads {params.threads}"
        " --state {params.folder}/state --summary {output.summary} > {log} 2>&1"


# The baseline's file, with which every variant is compared, has its own rule: a scheduler may group the others.
use rule compress as compress_baseline with:
    output:
        model=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/model.tzip",
        summary=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/compress.json",
