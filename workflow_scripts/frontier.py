"""Write which variants are on the frontier of BLEU against bytes, and how methods rank over all budgets."""

from tzip.cli import run
from tzip.report import frontier, results, tables


def main() -> None:
    args = results.arguments(__doc__)
    scores = results.read_scores(args.results, args.rows, args.tests, args.seeds)
    plans = results.read_plans(args.results, args.rows, args.seeds[0])
    variants = frontier.collect(results.summarize(scores), plans, args.seeds[0])
    ranking = frontier.ranking(frontier.rank(scores, variants), len(args.seeds))
    for table in (frontier.table(variants), frontier.sources(variants), ranking):
        tables.write(table, args.output, *results.notes(args))


if __name__ == "__main__":
    run(main)
