"""The file model.tzip: a Code as bytes and back, and every size that is printed."""
