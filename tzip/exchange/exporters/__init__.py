"""One file per engine: `write(folder, model, pieces, options)`; TYPES and USES name what options it has.

OPEN says in Markdown how the engine opens the folder, for the model card.
"""
