# docker build -t tzip .                                     torch as pip finds it: with CUDA, several gigabytes
# docker build -t tzip --build-arg PIP_EXTRA_INDEX_URL=URL .  the same from another index too, such as torch's for CPUs
# docker run --rm -v "$PWD/results:/tzip/results" tzip       the default run; its files in results/
# docker run --rm --gpus all -v "$PWD/results:/tzip/results" tzip snakemake --cores all --configfile config/multi30k.yaml
FROM python:3.11-slim-bookworm

# git: tables say which revision made them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /tzip
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

# The lock first: packages are installed again only when it changes.
ARG PIP_EXTRA_INDEX_URL
COPY requirements.txt ./
RUN pip install --requirement requirements.txt

COPY . .
RUN pip install --no-deps --editable . \
 && git config --system --add safe.directory /tzip

CMD ["snakemake", "--cores", "all"]
