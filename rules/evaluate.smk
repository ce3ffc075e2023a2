# Everything here reads model.tzip back from disk: no score and no size comes from anywhere else.
rule size:
    """The sizes of a file and its three ratios to the baseline."""
    input:
        model=f"{OF_VARIANT}/model.tzip",
        baseline=f"{OF_SEED}/baseline/model.tzip",
    output:
        f"{OF_VARIANT}/size.json",
    log:
        f"{RUN}/logs/size.seed-{{seed}}.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/size.seed-{{seed}}.{{variant}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        code=code("size"),
    shell:
        f"python {SCRIPTS}/size.py" " --model {input.model} --baseline {input.baseline} --output {output} 2> {log}"


rule translate:
    """A test set as a file translates it, and how long that took."""
    input:
        model=f"{OF_VARIANT}/model.tzip",
        source=text(SOURCE),
    output:
        hypotheses=f"{OF_VARIANT}/{{test}}.hyp.txt",
        time=f"{OF_VARIANT}/{{test}}.time.json",
    log:
        f"{RUN}/logs/translate.seed-{{seed}}.{{variant}}.{{test}}.log",
    benchmark:
        f"{RUN}/benchmarks/translate.seed-{{seed}}.{{variant}}.{{test}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["translate"]
    resources:
        mem_mb=growing(2000),
    params:
        search=flags(config["search"]),
        threads=config["threads"]["translate"],
    shell:
        "tzip translate --force {input.model} {input.source} {params.search} --threads {params.threads}"
        " --output {output.hypotheses} --time {output.time} 2> {log}"


use rule translate as translate_baseline with:
    output:
        hypotheses=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/{{test}}.hyp.txt",
        time=f"{OF_SEED}/{{variant,{configuration.BASELINE}}}/{{test}}.time.json",


rule score:
    """BLEU and chrF of translations with intervals, and the paired difference from the baseline's."""
    input:
        hypotheses=f"{OF_VARIANT}/{{test}}.hyp.txt",
        references=text(TARGET),
        baseline=f"{OF_SEED}/baseline/{{test}}.hyp.txt",
    output:
        score=f"{OF_VARIANT}/{{test}}.score.json",
        statistics=f"{OF_VARIANT}/{{test}}.stats.npz",
    log:
        f"{RUN}/logs/score.seed-{{seed}}.{{variant}}.{{test}}.log",
    benchmark:
        f"{RUN}/benchmarks/score.seed-{{seed}}.{{variant}}.{{test}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        scores=flags(configuration.scores(config)),
        code=code("score"),
    shell:
        "tzip score --force {input.hypotheses} {input.references} --baseline {input.baseline} {params.scores}"
        " --output {output.score} --statistics {output.statistics} 2> {log}"


rule attention:
    """Attention maps of one sentence, and how sharp and how far from the baseline's the maps are."""
    input:
        model=f"{OF_VARIANT}/model.tzip",
        baseline=f"{OF_SEED}/baseline/model.tzip",
        source=f"{RUN}/data/dev.{SOURCE}",
        target=f"{RUN}/data/dev.{TARGET}",
    output:
        maps=f"{OF_VARIANT}/attention.npz",
        json=f"{OF_VARIANT}/attention.json",
    log:
        f"{RUN}/logs/attention.seed-{{seed}}.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/attention.seed-{{seed}}.{{variant}}.tsv"
    conda:
        "../envs/tzip.yaml"
    threads: config["threads"]["translate"]
    resources:
        mem_mb=growing(2000),
    params:
        looked_at=configuration.attention_flags(config),
        threads=config["threads"]["translate"],
    shell:
        f"python {SCRIPTS}/attention.py"
        " --model {input.model} --baseline {input.baseline} {params.looked_at} --source {input.source}"
        " --target {input.target} --threads {params.threads} --output {output.maps} --json {output.json} 2> {log}"


rule weights:
    """Histograms and centroids of trained and of quantized weights, for the figures."""
    input:
        checkpoint=start,
        model=f"{OF_VARIANT}/model.tzip",
    output:
        f"{OF_VARIANT}/weights.npz",
    log:
        f"{RUN}/logs/weights.seed-{{seed}}.{{variant}}.log",
    benchmark:
        f"{RUN}/benchmarks/weights.seed-{{seed}}.{{variant}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        checkpoint=subpath(input.checkpoint, parent=True),
        code=code("weights"),
    shell:
        f"python {SCRIPTS}/weights.py"
        " --checkpoint {params.checkpoint} --model {input.model} --output {output} 2> {log}"


ruleorder: compress_baseline > compress
ruleorder: translate_baseline > translate
