"""Exceptions that banso raises for bad input; everything else is a programming mistake.

A message says what is wrong, the value seen, and what to do about it, in one line, because the
command line prints it as it is.
"""


class BansoError(Exception):
    """Root of all errors caused by what a user gave banso."""


class AudioError(BansoError):
    """A recording cannot be read, used or written."""


class ConfigError(BansoError):
    """An option or configuration value is unknown, of the wrong type or out of range."""


class BundleError(BansoError):
    """A model bundle is missing, damaged or of an unsupported version."""


class DataError(BansoError):
    """A corpus, score or manifest cannot be used."""
