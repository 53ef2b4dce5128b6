"""What a bundle can do, step by step: listen, plan, condition, generate or fill, decode."""

from collections.abc import Iterable, Iterator

from banso.audio import Recording, Samples
from banso.conditioning import Known, assemble
from banso.config import SamplerConfig
from banso.decoding import Codec, decode_latents
from banso.delivery import OUTPUT_SAMPLE_RATE
from banso.errors import ConfigError
from banso.generation import (
    EvaluationCount,
    OnProgress,
    fill_latents,
    generate_latents,
    noise_between,
)
from banso.leadsheet import LeadSheet
from banso.listening import Listening, listen
from banso.options import GenerationOptions
from banso.results import BundleName
from banso.sampler import ConditionalDenoiser
from banso.song_plan import SongPlan, plan_song


class Player:
    """A bundle's networks as the steps of a run.

    Args:
        denoiser: Estimates clean latents from noisy ones.
        codec: Turns latents into sound.
        bundle: What the two are called, for the record.
        sampler: Steps and guidance unless asked otherwise, and the plan of windows.
        styles: Names of the styles that the denoiser knows, in its order.
        knows_parts: Whether the denoiser can write single parts, and hear others.
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
        self.denoiser = denoiser
        self.codec = codec
        self.bundle = bundle
        self.sampler = sampler
        self.styles = styles
        self.knows_parts = knows_parts

    def listen(self, recording: Recording, tuning_cents: float | None = None) -> Listening:
        """Measure a voice: its channels, its loudness and its features, frame by frame.

        Args:
            recording: The voice.
            tuning_cents: Where its semitones are, relative to A4 = 440 Hz; None for where they
                are sung, if the codec can play there.

        Raises:
            AudioError: If the recording is too short, silent or damaged.
        """
        tuning_cents = tuning_cents if self.codec.can_tune else 0.0
        return listen(recording, self.codec.sample_rate, self.codec.hop_length, tuning_cents)

    def plan(self, listening: Listening, options: GenerationOptions) -> LeadSheet | None:
        """Return the beats and chords to obey: what is given, and the rest if it is asked for.

        Args:
            listening: As `listen` gives it.
            options: What is given, and whether to find the rest in the voice.

        Raises:
            ConfigError: If given chords need bars, and nothing in the voice tells of any.
        """
        wishes = options.wishes
        if options.plan == "none":
            if wishes.bpm is None and wishes.chords is None:
                return options.lead_sheet
            return self.song_plan(listening, options).fixed_part(wishes)
        plan = self.song_plan(listening, options)
        # Who wants to be counted in wants bars, however uncertain.
        return plan.sheet if options.count_in else plan.obeyed

    def song_plan(self, listening: Listening, options: GenerationOptions) -> SongPlan:
        """Find key, tempo, beats, chords and sung notes, around what is given.

        Args:
            listening: As `listen` gives it.
            options: What is given.

        Raises:
            ConfigError: If given chords need bars, and nothing in the voice tells of any.
        """
        return plan_song(
            listening.features,
            self._frame_rate,
            listening.duration_seconds,
            wishes=options.wishes,
        )

    def condition(
        self,
        listening: Listening,
        options: GenerationOptions,
        lead_sheet: LeadSheet | None,
        others: Samples | None = None,
    ) -> Samples:
        """Join what was heard, planned and asked for: float32 [frames, conditioning].

        Args:
            listening: As `listen` gives it.
            options: The style and the parts; its own lead sheet is not looked at.
            lead_sheet: As `plan` gives it.
            others: Latents [frames, channels] of parts that are there already.

        Raises:
            ConfigError: If the bundle does not know the style, or nothing of parts.
        """
        if (options.parts or others is not None) and not self.knows_parts:
            raise ConfigError(
                f"bundle {self.bundle.name} plays whole bands only; leave out parts, stems and "
                "parts that are there already, or use a bundle that was trained on them"
            )
        return assemble(
            listening.features,
            self._frame_rate,
            lead_sheet=lead_sheet,
            style=options.style,
            styles=self.styles,
            parts=options.parts,
            others=others,
        )

    def generate(
        self,
        conditioning: Samples,
        seed: int,
        options: GenerationOptions,
        on_progress: OnProgress | None = None,
        count: EvaluationCount | None = None,
    ) -> Iterator[Samples]:
        """Yield the latents of a song, window by window, each continuing the last.

        Args:
            conditioning: [frames, conditioning]; frames a multiple of 16.
            seed: Of the noise, which depends on it and the frame's position only.
            options: Steps and guidance; its seed is not looked at.
            on_progress: Called with the fraction done, in [0, 1].
            count: Is told of every run of the network.

        Yields:
            float32 [new frames, channels]; together one row for each row of the conditioning.
        """
        return generate_latents(
            self.denoiser,
            conditioning,
            num_channels=self.codec.num_channels,
            seed=seed,
            config=options.sampler(self.sampler),
            on_progress=on_progress or _ignore,
            count=count or EvaluationCount(),
        )

    def fill(
        self,
        conditioning: Samples,
        known: Known,
        first_frame: int,
        seed: int,
        options: GenerationOptions,
        on_progress: OnProgress | None = None,
        count: EvaluationCount | None = None,
    ) -> Samples:
        """Write the latents that are missing in a stretch of a song.

        Args:
            conditioning: [frames, conditioning] of the stretch; frames a multiple of 16.
            known: Latents of the stretch, and which of them are fixed.
            first_frame: Where the stretch begins in the song.
            seed: As for `generate`.
            options: As for `generate`.
            on_progress: Called with the fraction done, in [0, 1].
            count: Is told of every run of the network.

        Returns:
            float32 [frames, channels]; the fixed ones as they were.
        """
        last = first_frame + len(conditioning)
        return fill_latents(
            self.denoiser,
            conditioning,
            known,
            noise=noise_between(seed, first_frame, last, self.codec.num_channels),
            config=options.sampler(self.sampler),
            on_progress=on_progress or _ignore,
            count=count or EvaluationCount(),
        )

    def decode(
        self, latents: Iterable[Samples], num_samples: int, tuning_cents: float = 0.0
    ) -> Iterator[Samples]:
        """Turn latents into sound as they come.

        Args:
            latents: [frames, channels] each, together at least as long as the song.
            num_samples: Length of the result at 44.1 kHz.
            tuning_cents: How far above A4 = 440 Hz to play.

        Yields:
            float32 [2, samples] at 44.1 kHz, `num_samples` in all.

        Raises:
            BundleError: If the model produced NaN or infinity.
        """
        return decode_latents(self.codec, latents, num_samples, OUTPUT_SAMPLE_RATE, tuning_cents)

    @property
    def _frame_rate(self) -> float:
        return self.codec.sample_rate / self.codec.hop_length


def _ignore(fraction: float) -> None:
    """Take no notice of progress."""
