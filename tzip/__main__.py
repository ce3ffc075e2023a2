"""`python -m tzip`, as `tzip`."""

from tzip.cli import main

main()
