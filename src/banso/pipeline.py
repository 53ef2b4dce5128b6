"""The one way through: a recording of a voice in, a stereo accompaniment out.

Every step is a public method of `Accompanist`, in order: `listen`, `plan`, `condition`,
`generate`, `decode`; `accompany` runs them in memory, `accompany_file` from file to files. Latents
and audio are handed on window by window, so memory does not grow with the length of a song.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from banso.audio import Audio, Recording, Samples, collect, resampled_length
from banso.conditioning import VOCAL, assemble
from banso.config import SamplerConfig
from banso.decoding import Codec, LatentDecoder, decode_latents
from banso.delivery import OUTPUT_SAMPLE_RATE, Labels
from banso.files import AudioReader, read_audio
from banso.generation import EvaluationCount, OnProgress, generate_latents
from banso.leadsheet import LeadSheet
from banso.listening import FRAME_MULTIPLE, Listening, listen
from banso.options import GenerationOptions, OutputOptions, output_paths
from banso.outputs import OutputFiles
from banso.planning import Planner, make_plan
from banso.report import check_drawable, draw_report
from banso.results import Accompaniment, BundleName, FileResult
from banso.sampler import ConditionalDenoiser
from banso.scratch import Scratch
from banso.stopwatch import Stopwatch
from banso.take import Take, record

__all__ = ["FRAME_MULTIPLE", "Accompanist", "Codec", "LatentDecoder", "accompany"]

# Nine digits: short enough to be noted down.
_DRAWN_SEEDS = 10**9


class Accompanist:
    """Plays along with a voice.

    Args:
        denoiser: Estimates clean latents from noisy ones.
        codec: Turns latents into sound.
        bundle: What the two are called, for the record.
        sampler: Steps and guidance unless asked otherwise, and the plan of windows.
        styles: Names of the styles that the denoiser knows, in its order.
        planner: Hears beats and chords in a voice; None leaves both to the denoiser.
    """

    def __init__(
        self,
        denoiser: ConditionalDenoiser,
        codec: Codec,
        *,
        bundle: BundleName,
        sampler: SamplerConfig,
        styles: tuple[str, ...] = (),
        planner: Planner | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.codec = codec
        self.bundle = bundle
        self.sampler = sampler
        self.styles = styles
        self.planner = planner

    @classmethod
    def from_bundle(cls, path: Path | None = None, num_threads: int | None = None) -> Self:
        """Load a bundle.

        Args:
            path: Folder of the bundle; None takes the one inside the package.
            num_threads: CPU threads to use; None lets ONNX Runtime choose.

        Raises:
            BundleError: If the bundle is missing, damaged or of an unsupported version.
        """
        # ONNX Runtime takes a while to import; `import banso` and `banso --help` need not wait.
        from banso.bundle import load_bundle
        from banso.runtime import load_models

        bundle = load_bundle(path)
        models = load_models(bundle, num_threads)
        return cls(
            models.denoiser,
            models.codec,
            bundle=BundleName(bundle.name, bundle.hash),
            sampler=bundle.manifest.sampler,
            styles=bundle.manifest.styles,
            planner=models.planner,
        )

    def accompany(
        self,
        vocals: Audio,
        options: GenerationOptions | None = None,
        on_progress: OnProgress | None = None,
    ) -> Accompaniment:
        """Make an accompaniment in memory.

        Args:
            vocals: A voice, at least 0.5 s, any channels and rate.
            options: Style, seed and the like; None for the defaults.
            on_progress: Called with the fraction done, in [0, 1].

        Raises:
            AudioError: If the recording is too short or silent.
            ConfigError: If the bundle does not know the style.
        """
        options = options or GenerationOptions()
        watch = Stopwatch()
        with Scratch() as raw:
            take = self._perform(vocals, raw, options, watch, on_progress or _ignore)
            delivery = take.delivery(vocals, raw, take.gains())
            audio = collect(delivery.accompaniment_blocks(), OUTPUT_SAMPLE_RATE)
        provenance = take.provenance(delivery.gains, self.bundle, watch.timings)
        return Accompaniment(audio, provenance)

    def accompany_file(
        self,
        vocals: str | os.PathLike[str],
        output: OutputOptions | None = None,
        options: GenerationOptions | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileResult:
        """Make an accompaniment for a file, in files; all of them appear, or none.

        Args:
            vocals: A recording of a voice, 0.5 s to 12 h, in any format that libsndfile reads.
            output: What to write and where; None for the defaults.
            options: Style, seed and the like; None for the defaults.
            on_progress: Called with the fraction done, in [0, 1].

        Raises:
            AudioError: If the recording cannot be used, or a result cannot be written.
            ConfigError: If the bundle does not know the style, or a report cannot be drawn.
        """
        output, options = output or OutputOptions(), options or GenerationOptions()
        watch = Stopwatch()
        recording = AudioReader(vocals)
        paths = output_paths(recording.path, output)
        if output.report:
            check_drawable()
        with (
            OutputFiles(paths.all(), overwrite=output.overwrite) as outputs,
            Scratch(paths.accompaniment.parent) as raw,
        ):
            take = self._perform(recording, raw, options, watch, on_progress or _ignore)
            delivery = take.delivery(recording, raw, take.gains(output.vocal_gain_db))
            provenance = take.provenance(delivery.gains, self.bundle, watch.timings)
            labels = Labels(output.format, provenance.comment)
            delivery.write_accompaniment(outputs.part(paths.accompaniment), labels)
            if paths.mix is not None:
                delivery.write_mix(outputs.part(paths.mix), labels)
            if paths.report is not None:
                part, heard = outputs.part(paths.report), take.listening.features
                draw_report(part, recording.path.name, delivery, heard, self._frame_rate)
        # Only now, so that the time it took to write counts.
        provenance = take.provenance(delivery.gains, self.bundle, watch.timings)
        return FileResult(paths, recording.duration_seconds, provenance)

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
        """Return the beats and chords to obey: those given, else those heard, if asked for."""
        if options.lead_sheet is not None or options.plan == "none" or self.planner is None:
            return options.lead_sheet
        vocal = assemble(listening.features, self._frame_rate)[:, VOCAL]
        answers = self.planner.answer(vocal)
        return make_plan(answers, self._frame_rate, listening.duration_seconds)

    def condition(
        self, listening: Listening, options: GenerationOptions, lead_sheet: LeadSheet | None
    ) -> Samples:
        """Join what was heard, planned and asked for: float32 [frames, conditioning].

        Args:
            listening: As `listen` gives it.
            options: The style; its own lead sheet is not looked at.
            lead_sheet: As `plan` gives it.

        Raises:
            ConfigError: If the bundle does not know the style.
        """
        return assemble(
            listening.features,
            self._frame_rate,
            lead_sheet=lead_sheet,
            style=options.style,
            styles=self.styles,
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

    def _perform(
        self,
        recording: Recording,
        raw: Scratch,
        options: GenerationOptions,
        watch: Stopwatch,
        on_progress: OnProgress,
    ) -> Take:
        """Run all steps; the decoded accompaniment goes to `raw`."""
        seed = secrets.randbelow(_DRAWN_SEEDS) if options.seed is None else options.seed
        count = EvaluationCount()
        with watch.measure("features"):
            listening = self.listen(recording, options.tuning_cents)
            lead_sheet = self.plan(listening, options)
            conditioning = self.condition(listening, options, lead_sheet)
        num_samples = resampled_length(
            recording.num_samples, recording.sample_rate, OUTPUT_SAMPLE_RATE
        )
        generated = self.generate(conditioning, seed, options, on_progress, count)
        latents = watch.timed(generated, "denoise")
        decoded = self.decode(latents, num_samples, listening.tuning_cents)
        sound = watch.timed(decoded, "decode")
        return Take(
            listening=listening,
            lead_sheet=lead_sheet,
            num_samples=num_samples,
            level=record(sound, num_samples, raw),
            seed=seed,
            num_evaluations=count.num_evaluations,
        )


def accompany(
    vocals: Audio | str | os.PathLike[str],
    options: GenerationOptions | None = None,
    bundle: Path | None = None,
) -> Accompaniment:
    """Make an accompaniment for one recording; for several, keep an `Accompanist`.

    Args:
        vocals: A voice, or the file that holds one.
        options: Style, seed and the like; None for the defaults.
        bundle: Folder of the model; None takes the one inside the package.

    Raises:
        BansoError: If the recording or the bundle cannot be used.
    """
    audio = vocals if isinstance(vocals, Audio) else read_audio(vocals)
    return Accompanist.from_bundle(bundle).accompany(audio, options)


def _ignore(fraction: float) -> None:
    """Take no notice of progress."""
