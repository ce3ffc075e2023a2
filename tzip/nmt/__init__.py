"""The Transformer, its training and its search; knows no compression."""
