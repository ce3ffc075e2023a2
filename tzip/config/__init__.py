"""The configuration of a run: sections, variants, grids, data sets; needs no torch."""
