"""The version of this package, apart from `__init__` so that any module may import it."""

VERSION = "0.1.0"
