# Speed and memory of models exported to CTranslate2, on one core. Only what the section speed lists is made.
rule shortlist:
    input:
        train=f"{RUN}/data/train.tokens.npy",
        train_offsets=f"{RUN}/data/train.offsets.npy",
        pieces=f"{RUN}/data/pieces.model",
    output:
        f"{RUN}/data/shortlist.txt",
    log:
        f"{RUN}/logs/shortlist.log",
    benchmark:
        f"{RUN}/benchmarks/shortlist.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        train=subpath(input.train, strip_suffix=".tokens.npy"),
        shortlist=flags(config["shortlist"]),
    shell:
        "python workflow_scripts/shortlist.py --data {params.train} --pieces {input.pieces} {params.shortlist}"
        " --output {output} 2> {log}"


rule export:
    input:
        model=f"{OF_VARIANT}/model.tzip",
        shortlist=shortlist_file,
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
        shortlist=shortlist_flag,
    shell:
        "python workflow_scripts/export.py --model {input.model} --to ctranslate2 --type {wildcards.type}"
        " {params.shortlist} --output {output} 2> {log}"


# All cores: nothing else may run while the clock does. The job itself keeps to one of them.
rule inference:
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
        search=LENGTHS,
        shortlist=use_shortlist_flag,
    shell:
        "python workflow_scripts/inference.py --model {input.model} --source {input.source} {params.search}"
        " --beam {wildcards.beam} {params.shortlist}"
        " --output {output.hypotheses} --time {output.time} 2> {log}"


rule score_inference:
    input:
        hypotheses=f"{OF_VARIANT}/inference/{{test}}.{{setting}}.hyp.txt",
        references=f"{RUN}/data/test/{{test}}.{TARGET}",
        baseline=f"{OF_SEED}/baseline/{{test}}.hyp.txt",
    output:
        f"{OF_VARIANT}/inference/{{test}}.{{setting}}.score.json",
    log:
        f"{RUN}/logs/score_inference.seed-{{seed}}.{{variant}}.{{test}}.{{setting}}.log",
    benchmark:
        f"{RUN}/benchmarks/score_inference.seed-{{seed}}.{{variant}}.{{test}}.{{setting}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        scores=flags(config["scores"]),
    shell:
        "python workflow_scripts/score.py --hypotheses {input.hypotheses} --references {input.references}"
        " --baseline {input.baseline} {params.scores} --output {output} 2> {log}"


rule speed:
    input:
        measured=MEASURED,
        baseline=f"{RUN}/seed-{SEEDS[0]}/baseline/{TESTS[0]}.score.json",
        provenance=f"{RUN}/provenance.json",
        code=[
            "tzip/report/speed.py",
            "tzip/report/tables.py",
            "tzip/report/results.py",
            "tzip/report/paper.py",
        ],
    output:
        report(
            f"{RUN}/timings/inference.csv",
            caption="../report/inference.rst",
            category="Tables",
        ),
        multiext(f"{RUN}/timings/inference", ".md", ".tex", ".txt"),
    log:
        f"{RUN}/logs/speed.log",
    benchmark:
        f"{RUN}/benchmarks/speed.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        folder=subpath(output[0], ancestor=2),
        run=of_run(ROWS),
        settings=SPEED_FLAG,
    shell:
        "python workflow_scripts/speed.py --results {params.folder} {params.run} {params.settings}"
        " --provenance {input.provenance} --output {params.folder}/timings 2> {log}"
