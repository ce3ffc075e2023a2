"""One file a format: `read(path, options)` gives a `foreign.Imported`; USES names the options that it has."""
