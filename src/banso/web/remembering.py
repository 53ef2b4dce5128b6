"""An accompanist that remembers the last voices, so that each is listened to once.

A singer asks for the chords first, and then for band after band to the same recording.
"""

from collections import OrderedDict
from pathlib import Path

from banso.audio import Recording
from banso.config import SamplerConfig
from banso.decoding import Codec
from banso.files import AudioReader
from banso.listening import Listening
from banso.options import GenerationOptions
from banso.pipeline import Accompanist
from banso.results import BundleName
from banso.sampler import ConditionalDenoiser
from banso.song_plan import SongPlan
from banso.wishes import Wishes

# A quarter of an hour of features takes 6 MB.
MAX_LISTENINGS = 8
MAX_PLANS = 32

_FileKey = tuple[Path, int, int, int, float | None]


class RememberingAccompanist(Accompanist):
    """Makes what an `Accompanist` makes, to the bit, and sooner the second time.

    What is remembered of a file counts as long as the file stays as it was. For one thread.
    """

    def __init__(
        self,
        denoiser: ConditionalDenoiser,
        codec: Codec,
        *,
        bundle: BundleName,
        sampler: SamplerConfig,
        styles: tuple[str, ...] = (),
        knows_parts: bool = False,
    ) -> None:
        super().__init__(
            denoiser, codec, bundle=bundle, sampler=sampler, styles=styles, knows_parts=knows_parts
        )
        self._listenings: OrderedDict[_FileKey, Listening] = OrderedDict()
        # With the voice itself: as long as it is kept, nothing else comes to have its identity.
        self._plans: OrderedDict[tuple[int, Wishes], tuple[Listening, SongPlan]] = OrderedDict()

    def listen(self, recording: Recording, tuning_cents: float | None = None) -> Listening:
        """Measure a voice unless it is remembered; see `Accompanist.listen`."""
        if not isinstance(recording, AudioReader):
            return super().listen(recording, tuning_cents)
        status = recording.path.stat()
        status = recording.path.stat()
        file = (recording.path, status.st_ino, status.st_mtime_ns, status.st_size)
        key = (*file, tuning_cents)
        heard = self._listenings.pop(key, None)
        if heard is None:
            heard = super().listen(recording, tuning_cents)
        self._listenings[key] = heard
        if len(self._listenings) > MAX_LISTENINGS:
            self._listenings.popitem(last=False)
        return heard

    def song_plan(self, listening: Listening, options: GenerationOptions) -> SongPlan:
        """Find key, tempo, beats and chords unless they are remembered."""
        key = (id(listening), options.wishes)
        known = self._plans.pop(key, None)
        plan = super().song_plan(listening, options) if known is None else known[1]
        self._plans[key] = (listening, plan)
        if len(self._plans) > MAX_PLANS:
            self._plans.popitem(last=False)
        return plan
