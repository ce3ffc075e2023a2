"""Scores, tables, figures and the page of a run; needs no torch."""
