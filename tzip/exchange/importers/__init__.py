"""One file per format: `read(path, options)` gives an `importing.Imported`; USES and NEEDS name its options."""
