"""banso: a singer's recording in, a fitting stereo accompaniment out."""

__version__ = "0.1.0"
