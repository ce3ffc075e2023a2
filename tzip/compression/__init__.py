"""What a compression method is, and how a variant is made of methods."""
