# Downloads are outside of the run, because runs share them. How the network is reached is a resource and no
# parameter: another mirror gives the same bytes, by the checksum, and must rerun nothing.
rule download:
    """A file from its URL or a mirror, verified."""
    output:
        f"{DOWNLOADS}/{{place}}",
    log:
        "results/logs/download/{place}.log",
    benchmark:
        "results/benchmarks/download/{place}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(500),
        network=NETWORK,
    params:
        url=lambda wildcards: URLS[wildcards.place]["url"],
        # Without a known checksum, the first download records one and later ones verify it.
        sha256=lambda wildcards: flags({k: v for k, v in URLS[wildcards.place].items() if k == "sha256"}),
    shell:
        f"python {SCRIPTS}/download.py"
        " {params.url:q} --output {output:q} {params.sha256} {resources.network} 2> {log:q}"


rule test_set:
    """A test set of sacreBLEU, from its cache or its publisher."""
    output:
        multiext(f"{DOWNLOADS}/sacrebleu/{{set}}", source=".src", target=".ref"),
    log:
        "results/logs/download/sacrebleu/{set}.log",
    benchmark:
        "results/benchmarks/download/sacrebleu/{set}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(500),
        network=NETWORK,
    params:
        name=lambda wildcards: TEST_SETS[wildcards.set],
        prefix=subpath(output.source, strip_suffix=".src"),
    shell:
        f"python {SCRIPTS}/testset.py" " {params.name} --output {params.prefix:q} {resources.network} > {log:q} 2>&1"


ruleorder: test_set > download


rule generate:
    """The synthetic corpus of the grammar."""
    output:
        GENERATED,
    log:
        f"{RUN}/logs/generate.log",
    benchmark:
        f"{RUN}/benchmarks/generate.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(1000),
    params:
        grammar=flags(datasets.dataset(config).get("grammar", {})),
        folder=subpath(output[0], parent=True),
    shell:
        f"python {SCRIPTS}/generate.py" " {params.grammar} --output {params.folder} 2> {log}"


rule corpus:
    """Cleaned parallel text: training, development and test sets."""
    input:
        made(SOURCES),
    output:
        cleaning=f"{RUN}/data/cleaning.json",
        texts=TEXTS,
    log:
        f"{RUN}/logs/corpus.log",
    benchmark:
        f"{RUN}/benchmarks/corpus.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        languages=[SOURCE, TARGET],
        files=lambda wildcards: datasets.corpus_flags(config, DOWNLOADS),
        filters=flags(config["corpus"]),
        own=own(SOURCES),
        folder=subpath(output.cleaning, parent=True),
    shell:
        f"python {SCRIPTS}/corpus.py"
        " --languages {params.languages} {params.files} {params.filters} --output {params.folder} > {log} 2>&1"


rule pieces:
    """The SentencePiece model of both languages."""
    input:
        expand(f"{RUN}/data/train.{{language}}", language=[SOURCE, TARGET]),
    output:
        f"{RUN}/data/pieces.model",
    log:
        f"{RUN}/logs/pieces.log",
    benchmark:
        f"{RUN}/benchmarks/pieces.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(8000),
    params:
        pieces=flags(config["pieces"]),
    shell:
        f"python {SCRIPTS}/pieces.py" " --text {input} {params.pieces} --output {output} > {log} 2>&1"


rule encode:
    """Parallel text as memory-mapped piece ids."""
    input:
        pieces=f"{RUN}/data/pieces.model",
        source=f"{RUN}/data/{{split}}.{SOURCE}",
        target=f"{RUN}/data/{{split}}.{TARGET}",
    output:
        tokens=f"{RUN}/data/{{split}}.tokens.npy",
        offsets=f"{RUN}/data/{{split}}.offsets.npy",
    log:
        f"{RUN}/logs/encode.{{split}}.log",
    benchmark:
        f"{RUN}/benchmarks/encode.{{split}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=growing(2000),
    params:
        max_length=MAX_LENGTH,
        prefix=subpath(output.tokens, strip_suffix=".tokens.npy"),
    shell:
        f"python {SCRIPTS}/encode.py"
        " --pieces {input.pieces} --source {input.source} --target {input.target}"
        " --max-length {params.max_length} --output {params.prefix} > {log} 2>&1"
