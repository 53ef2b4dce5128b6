"""One module per corpus; each reads a corpus' own files into banso's data classes."""
