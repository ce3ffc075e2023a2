"""Parallel text: downloaded, opened, cleaned, split, and cut into pieces."""
