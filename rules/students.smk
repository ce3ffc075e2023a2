# Only runs with students, or with variants that learn from what teachers write, have these jobs. Nothing of a compression
# method is among the inputs: the teacher is the baseline, whose file no method touches.


rule hypotheses:
    """The training text as the teacher translates it."""
    input:
        model=f"{OF_SEED}/baseline/model.tzip",
        source=f"{RUN}/data/train.{SOURCE}",
    output:
        f"{OF_SEED}/teacher/train.{TARGET}",
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
        f"{RUN}/logs/encode_hypotheses.seed-{{teachers}}.{{targets}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode_hypotheses.seed-{{teachers}}.{{targets}}.tsv"


# A student's own pieces, and the same texts in them.
use rule pieces as student_pieces with:
    output:
        f"{OF_PIECES}/pieces.model",
    log:
        f"{RUN}/logs/student_pieces.{{student}}.log",
    benchmark:
        f"{RUN}/benchmarks/student_pieces.{{student}}.tsv"
    params:
        pieces=lambda wildcards: flags(students.pieces(config, wildcards.student)),


use rule encode as encode_for_student with:
    input:
        pieces=f"{OF_PIECES}/pieces.model",
        source=f"{RUN}/data/{{split}}.{SOURCE}",
        target=f"{RUN}/data/{{split}}.{TARGET}",
    output:
        tokens=f"{OF_PIECES}/{{split}}.tokens.npy",
        offsets=f"{OF_PIECES}/{{split}}.offsets.npy",
    log:
        f"{RUN}/logs/encode_for_student.{{student}}.{{split}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode_for_student.{{student}}.{{split}}.tsv"


use rule encode_hypotheses as encode_hypotheses_for_student with:
    input:
        pieces=f"{OF_PIECES}/pieces.model",
        source=lesson_sources,
        target=lesson_targets,
    output:
        tokens=f"{OF_PIECES}/{{targets}}.seed-{{teachers}}.tokens.npy",
        offsets=f"{OF_PIECES}/{{targets}}.seed-{{teachers}}.offsets.npy",
    log:
        f"{RUN}/logs/encode_hypotheses_for_student.{{student}}.seed-{{teachers}}.{{targets}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode_hypotheses_for_student.{{student}}.seed-{{teachers}}.{{targets}}.tsv"


rule soften:
    """What a baseline, or those of all seeds on average, say of a text, once for all that learn from it."""
    input:
        checkpoint=of_teachers("model.safetensors"),
        others=of_teachers("config.json", "pieces.model"),
        train=text_to_soften,
    output:
        f"{OF_TEACHER}/{{lesson}}.top-{{top}}.npy",
    log:
        f"{RUN}/logs/soften.seed-{{teachers}}.{{lesson}}.top-{{top}}.log",
    benchmark:
        f"{RUN}/benchmarks/soften.seed-{{teachers}}.{{lesson}}.top-{{top}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["train"]
    resources:
        mem_mb=growing(4000),
    params:
        checkpoint=lambda wildcards, input: " ".join(str(Path(file).parent) for file in input.get("checkpoint")),
        data=prefix("train"),
        threads=config["threads"]["train"],
    shell:
        "tzip soften --force {params.checkpoint} {output} --data {params.data} --top {wildcards.top}"
        " --threads {params.threads} > {log} 2>&1"


# A student with pieces of its own teaches its variants itself.
use rule soften as soften_by_student with:
    output:
        f"{RUN}/seed-{{teachers}}/students/{{student}}/{{lesson}}.top-{{top}}.npy",
    log:
        f"{RUN}/logs/soften_by_student.{{student}}.seed-{{teachers}}.{{lesson}}.top-{{top}}.log",
    benchmark:
        f"{RUN}/benchmarks/soften_by_student.{{student}}.seed-{{teachers}}.{{lesson}}.top-{{top}}.tsv"


use rule train as student with:
    input:
        train=lessons,
        dev=of_student("dev.tokens.npy", "dev.offsets.npy"),
        references=multiext(f"{RUN}/data/dev", f".{SOURCE}", f".{TARGET}"),
        pieces=of_student("pieces.model"),
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
        dev=lambda wildcards, input: input.references[0].removesuffix(f".{SOURCE}"),
        model=student_model,
        training=student_training,
        threads=config["threads"]["train"],
        folder=subpath(output.summary, parent=True),
