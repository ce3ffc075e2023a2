# Only runs whose rows start from students have these jobs. Nothing of a compression method is among the
# inputs: the teacher is the baseline, whose file no method touches.
rule hypotheses:
    """The training text as the teacher translates it."""
    input:
        model=f"{OF_SEED}/baseline/model.tzip",
        source=f"{RUN}/data/train.{SOURCE}",
    output:
        f"{OF_TEACHER}/train.{TARGET}",
    log:
        f"{RUN}/logs/hypotheses.seed-{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/hypotheses.seed-{{seed}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["translate"]
    resources:
        mem_mb=growing(2000),
    params:
        search=flags(config["teacher"]),
        threads=config["threads"]["translate"],
        folder=subpath(output[0], parent=True),
    shell:
        f"python {SCRIPTS}/hypotheses.py"
        " --model {input.model} --source {input.source} {params.search} --threads {params.threads}"
        " --state {params.folder}/state --output {output} 2> {log}"


use rule encode as encode_hypotheses with:
    input:
        pieces=f"{RUN}/data/pieces.model",
        source=lesson_sources,
        target=lesson_targets,
    output:
        tokens=f"{OF_TEACHER}/{{targets}}.tokens.npy",
        offsets=f"{OF_TEACHER}/{{targets}}.offsets.npy",
    log:
        f"{RUN}/logs/encode_hypotheses.seed-{{seed}}.{{targets}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode_hypotheses.seed-{{seed}}.{{targets}}.tsv"


rule soften:
    """What the baseline says of a text, position by position, once for all that learn from it."""
    input:
        checkpoint=f"{OF_SEED}/checkpoint/model.safetensors",
        others=multiext(f"{OF_SEED}/checkpoint/", "config.json", "pieces.model"),
        train=lambda wildcards: multiext(
            f"{RUN}/data/train" if wildcards.lesson == "train" else f"{OF_TEACHER}/{wildcards.lesson}",
            ".tokens.npy",
            ".offsets.npy",
        ),
    output:
        f"{OF_TEACHER}/{{lesson}}.top-{{top}}.npy",
    log:
        f"{RUN}/logs/soften.seed-{{seed}}.{{lesson}}.top-{{top}}.log",
    benchmark:
        f"{RUN}/benchmarks/soften.seed-{{seed}}.{{lesson}}.top-{{top}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["train"]
    resources:
        mem_mb=growing(4000),
    params:
        checkpoint=subpath(input.checkpoint, parent=True),
        data=prefix("train"),
        threads=config["threads"]["train"],
    shell:
        "tzip soften --force {params.checkpoint} {output} --data {params.data} --top {wildcards.top}"
        " --threads {params.threads} > {log} 2>&1"


use rule train as student with:
    input:
        train=lessons,
        dev=multiext(f"{RUN}/data/dev", ".tokens.npy", ".offsets.npy", f".{SOURCE}", f".{TARGET}"),
        pieces=f"{RUN}/data/pieces.model",
        teacher=teacher,
        soft_targets=soft_targets,
    output:
        model=f"{OF_STUDENT}/checkpoint/model.safetensors",
        others=multiext(f"{OF_STUDENT}/checkpoint/", "config.json", "pieces.model"),
        summary=f"{OF_STUDENT}/training.json",
    log:
        f"{RUN}/logs/student.seed-{{seed}}.{{student}}.log",
    benchmark:
        f"{RUN}/benchmarks/student.seed-{{seed}}.{{student}}.tsv"
    params:
        train=prefix("train"),
        dev=prefix("dev"),
        model=student_model,
        training=student_training,
        threads=config["threads"]["train"],
        folder=subpath(output.summary, parent=True),
