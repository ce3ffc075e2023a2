# Speed and memory of models exported to CTranslate2, on one core. Only what the section speed lists is made.
rule shortlist:
    """A target shortlist from a lexicon of the training text."""
    input:
        train=multiext(f"{RUN}/data/train", ".tokens.npy", ".offsets.npy"),
        pieces=f"{RUN}/data/pieces.model",
    output:
        f"{RUN}/data/shortlist.txt",
    log:
        f"{RUN}/logs/shortlist.log",
    benchmark:
        f"{RUN}/benchmarks/shortlist.tsv"
    conda:
        "../envs/tzip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        data=prefix("train"),
        shortlist=flags(config["shortlist"]),
    shell:
        "tzip shortlist --force {input.pieces} {output} --data {params.data} {params.shortlist} > {log} 2>&1"


use rule shortlist as shortlist_for_student with:
    input:
        train=multiext(f"{OF_PIECES}/train", ".tokens.npy", ".offsets.npy"),
        pieces=f"{OF_PIECES}/pieces.model",
    output:
        f"{OF_PIECES}/shortlist.txt",
    log:
        f"{RUN}/logs/shortlist_for_student.{{student}}.log",
    benchmark:
        f"{RUN}/benchmarks/shortlist_for_student.{{student}}.tsv"


rule export:
    """A variant as CTranslate2's folder."""
    input:
        model=f"{OF_VARIANT}/model.tzip",
        shortlist=shortlist,
    output:
        directory(f"{OF_VARIANT}/ctranslate2/{{type}}{{short}}"),
    log:
        f"{RUN}/logs/export.seed-{{seed}}.{{variant}}.{{type}}{{short}}.log",
    benchmark:
        f"{RUN}/benchmarks/export.seed-{{seed}}.{{variant}}.{{type}}{{short}}.tsv"
    conda:
        "../envs/tzip.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        shortlist=lambda wildcards, input: f"--shortlist {input.shortlist}" if wildcards.short else "",
    shell:
        "tzip export {input.model} --to ctranslate2 --type {wildcards.type} {params.shortlist}"
        " --output {output} > {log} 2>&1"


rule inference:
    """Speed on one core. The job asks for all cores, so that no other job runs while it measures."""
    input:
        model=f"{OF_VARIANT}/ctranslate2/{{type}}{{short}}",
        source=f"{RUN}/data/test/{{test}}.{SOURCE}",
    output:
        hypotheses=f"{OF_VARIANT}/inference/{{test}}.{{type}}{{short}}.beam-{{beam}}.hyp.txt",
        time=f"{OF_VARIANT}/inference/{{test}}.{{type}}{{short}}.beam-{{beam}}.time.json",
    log:
        f"{RUN}/logs/inference.seed-{{seed}}.{{variant}}.{{test}}.{{type}}{{short}}.beam-{{beam}}.log",
    benchmark:
        f"{RUN}/benchmarks/inference.seed-{{seed}}.{{variant}}.{{test}}.{{type}}{{short}}.beam-{{beam}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=growing(2000),
    params:
        search=flags({k: v for k, v in config["search"].items() if k in ("alpha", "max_ratio")}),
        shortlist=lambda wildcards: "--shortlist true" if wildcards.short else "",
    shell:
        f"python {SCRIPTS}/inference.py"
        " --model {input.model} --source {input.source} {params.search} --beam {wildcards.beam} {params.shortlist}"
        " --output {output.hypotheses} --time {output.time} 2> {log}"


use rule score as score_inference with:
    input:
        hypotheses=f"{OF_VARIANT}/inference/{{test}}.{{setting}}.hyp.txt",
        references=f"{RUN}/data/test/{{test}}.{TARGET}",
        baseline=f"{OF_SEED}/baseline/{{test}}.hyp.txt",
    output:
        score=f"{OF_VARIANT}/inference/{{test}}.{{setting}}.score.json",
        statistics=temp(f"{OF_VARIANT}/inference/{{test}}.{{setting}}.stats.npz"),
    log:
        f"{RUN}/logs/score_inference.seed-{{seed}}.{{variant}}.{{test}}.{{setting}}.log",
    benchmark:
        f"{RUN}/benchmarks/score_inference.seed-{{seed}}.{{variant}}.{{test}}.{{setting}}.tsv"


# The paper's claim about speed has no export in it: rows are timed as they are translated, in turns.
rule rounds:
    """Repeated timings of the baseline and the binarized rows on the same sentences, in turns."""
    input:
        models=expand(f"{OF_SEED}/{{row}}/model.tzip", row=IN_TURNS, allow_missing=True),
        source=f"{RUN}/data/test/{TESTS[0]}.{SOURCE}",
    output:
        f"{OF_SEED}/rounds.json",
    log:
        f"{RUN}/logs/rounds.seed-{{seed}}.log",
    benchmark:
        f"{RUN}/benchmarks/rounds.seed-{{seed}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["translate"]
    resources:
        mem_mb=growing(2000),
    params:
        search=flags(config["search"]),
        rounds=config["rounds"],
        threads=config["threads"]["translate"],
    shell:
        f"python {SCRIPTS}/rounds.py"
        " --models {input.models} --source {input.source} {params.search} --rounds {params.rounds}"
        " --threads {params.threads} --output {output} 2> {log}"


# The table of speed on one core.
use rule tables as speed with:
    input:
        measured=MEASURED,
        baseline=f"{RUN}/seed-{SEEDS[0]}/baseline/{TESTS[0]}.score.json",
        provenance=f"{RUN}/provenance.json",
    output:
        report(f"{RUN}/timings/inference.csv", caption="../report/inference.rst", category="Tables"),
        multiext(f"{RUN}/timings/inference", ".md", ".tex", ".txt"),
    log:
        f"{RUN}/logs/speed.log",
    benchmark:
        f"{RUN}/benchmarks/speed.tsv"
    params:
        step="speed",
        run=lambda wildcards: of_run(ROWS, SPEED_FLAG),
        to=subpath(output[0], parent=True),
        code=code("speed"),
