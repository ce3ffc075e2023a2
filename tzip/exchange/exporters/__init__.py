"""One file per engine: `write(folder, model, pieces, options)`; TYPES and USES name what options it has."""
