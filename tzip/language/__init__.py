"""English and German as far as the embedded corpus needs them: words, inflection, word order, rules."""
