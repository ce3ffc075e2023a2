"""Parallel text, from where it is published to piece ids."""
