"""banso: a singer's recording in, a fitting stereo accompaniment out."""

from banso.audio import Audio
from banso.errors import BansoError
from banso.pipeline import Accompanist, accompany
from banso.version import VERSION as __version__

__all__ = ["Accompanist", "Audio", "BansoError", "__version__", "accompany"]
