"""One file per format: `read(path, options)` gives an `importing.Imported`; USES and NEEDS name its options.

`recognizes(path, options)` says whether a file or folder looks like the format, without reading all of it.
"""
