"""The one way through: a recording of a voice in, a stereo accompaniment out.

Every step is a public method of `Accompanist`, in order: `listen`, `plan`, `condition`,
`generate`, `decode`; `accompany` runs them in memory, `accompany_file` from file to files. Latents
and audio are handed on window by window, so memory does not grow with the length of a song.
"""

import dataclasses
import os
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from banso.audio import Audio, Recording, collect, resampled_length
from banso.blas import one_blas_thread
from banso.conditioning import PART_NAMES
from banso.decoding import Codec, LatentDecoder
from banso.delivery import OUTPUT_SAMPLE_RATE, Labels
from banso.files import AudioReader, read_audio
from banso.generation import OnProgress
from banso.listening import FRAME_MULTIPLE, Listening
from banso.options import GenerationOptions, OutputOptions, kept_paths, repainted_paths
from banso.others import Others, as_recording, hear_others
from banso.outputs import OutputFiles
from banso.player import Player
from banso.publishing import in_memory, write_files, write_repainted, write_report
from banso.regions import Region
from banso.renditions import Brief, Rendition, Studio
from banso.repaint import as_sound, repaint, repainted
from banso.report import check_drawable
from banso.results import Accompaniment, BundleName, FileResult, Provenance
from banso.song_plan import SongPlan
from banso.stopwatch import Stopwatch
from banso.variations import Choice, perform_variations

__all__ = ["FRAME_MULTIPLE", "Accompanist", "Codec", "LatentDecoder", "accompany"]

# Nine digits: short enough to be noted down.
_DRAWN_SEEDS = 10**9


class Accompanist(Player):
    """Plays along with a voice; a `Player` that goes all the way, from recordings to results."""

    @classmethod
    def from_bundle(
        cls, path: Path | None = None, num_threads: int | None = None, *, renderer: bool = True
    ) -> Self:
        """Load a bundle.

        Args:
            path: Folder of the bundle; None takes the one inside the package.
            num_threads: CPU threads to use; None lets ONNX Runtime choose.
            renderer: Whether the codec's renderer, if the bundle has one, is to shape the sound.

        Raises:
            BundleError: If the bundle is missing, damaged or of an unsupported version.
        """
        # ONNX Runtime takes a while to import; `import banso` and `banso --help` need not wait.
        from banso.bundle import load_bundle
        from banso.runtime import load_models

        bundle = load_bundle(path)
        models = load_models(bundle, num_threads, renderer=renderer)
        return cls(
            models.denoiser,
            models.codec,
            bundle=BundleName(bundle.name, bundle.hash),
            sampler=bundle.manifest.sampler,
            styles=bundle.manifest.styles,
            knows_parts=models.denoiser.knows_parts,
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
        with ExitStack() as stack:
            studio = _studio(options, on_progress)
            brief = self._brief(vocals, options, studio, stack)
            choice = perform_variations(self, brief, _seed(options), studio, stack)
            best, *others = (
                in_memory(vocals, rendition, self._provenance(rendition, choice, studio))
                for rendition in choice.kept
            )
        return dataclasses.replace(best, alternatives=tuple(others))

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
        if output.report:
            check_drawable()
        recording = AudioReader(vocals)
        paths = kept_paths(recording.path, output, options)
        targets = [target for kept in paths for target in kept.all()]
        with OutputFiles(targets, overwrite=output.overwrite) as outputs, ExitStack() as stack:
            studio = _studio(options, on_progress, paths[0].accompaniment.parent)
            brief = self._brief(recording, options, studio, stack)
            choice = perform_variations(self, brief, _seed(options), studio, stack)
            for rendition, own in zip(choice.kept, paths, strict=True):
                delivery = rendition.delivery(recording, output.vocal_gain_db)
                provenance = self._provenance(rendition, choice, studio)
                write_files(outputs, own, delivery, Labels(output.format, provenance.comment))
                write_report(outputs, own, delivery, brief.listening, provenance)
        # Only now, so that the time it took to write counts.
        best, *others = (
            FileResult(own, recording.duration_seconds, self._provenance(rendition, choice, studio))
            for rendition, own in zip(choice.kept, paths, strict=True)
        )
        return dataclasses.replace(best, alternatives=tuple(others))

    def analyze(self, vocals: Recording, options: GenerationOptions | None = None) -> SongPlan:
        """Find key, tempo, beats, chords and sung notes of a voice.

        Args:
            vocals: An `Audio`, or a file as `AudioReader` opens it.
            options: What is fixed (lead sheet, bpm, key, chords) and the tuning; None for nothing.

        Raises:
            AudioError: If the recording cannot be used.
            ConfigError: If what is fixed cannot be obeyed.
        """
        options = options or GenerationOptions()
        return self.song_plan(self.listen(vocals, options.tuning_cents), options)

    def repaint(
        self,
        vocals: Audio,
        previous: Audio,
        regions: Sequence[Region],
        options: GenerationOptions | None = None,
        on_progress: OnProgress | None = None,
    ) -> Accompaniment:
        """Make regions of an accompaniment anew, in memory.

        Args:
            vocals: The voice.
            previous: Its accompaniment, stereo at 44.1 kHz.
            regions: What to make anew; outside them not a bit is changed.
            options: As for `accompany`; without a seed one is drawn, so the music is another.
            on_progress: Called with the fraction done, in [0, 1].

        Raises:
            AudioError: If a recording cannot be used, or the two do not go together.
            ConfigError: If a region or an option is not possible here.
        """
        options = options or GenerationOptions()
        with ExitStack() as stack:
            studio = _studio(options, on_progress)
            brief = self._brief(vocals, options, studio, stack)
            repainting = repaint(self, brief, previous, regions, _seed(options), studio)
            now = as_sound(repainted(previous.blocks(), repainting.patches))
            audio = collect(now, OUTPUT_SAMPLE_RATE)
            provenance = repainting.provenance(self.bundle, studio.watch.timings)
        return Accompaniment(audio, provenance)

    def repaint_file(
        self,
        vocals: str | os.PathLike[str],
        previous: str | os.PathLike[str],
        regions: Sequence[Region],
        output: OutputOptions | None = None,
        options: GenerationOptions | None = None,
        on_progress: OnProgress | None = None,
    ) -> FileResult:
        """Make regions of an accompaniment anew, in files; all of them appear, or none.

        Args:
            vocals: The voice.
            previous: Its accompaniment, a lossless file as banso writes it; may be the output too.
            regions: What to make anew; outside them not a bit is changed.
            output: As for `accompany_file`, but the accompaniment is written as it was before.
            options: As for `repaint`.
            on_progress: Called with the fraction done, in [0, 1].

        Raises:
            AudioError: If a recording cannot be used, or a result cannot be written.
            ConfigError: If a region or an option is not possible here.
        """
        output, options = output or OutputOptions(), options or GenerationOptions()
        if output.report:
            check_drawable()
        recording, before = AudioReader(vocals), AudioReader(previous)
        paths = repainted_paths(recording.path, before.path, output)
        with OutputFiles(paths.all(), overwrite=output.overwrite) as outputs, ExitStack() as stack:
            studio = _studio(options, on_progress, paths.accompaniment.parent)
            brief = self._brief(recording, options, studio, stack)
            repainting = repaint(self, brief, before, regions, _seed(options), studio)
            provenance = repainting.provenance(self.bundle, studio.watch.timings)
            labels = Labels(output.format, provenance.comment)
            delivery = repainting.delivery(recording, output.vocal_gain_db)
            write_repainted(outputs, paths, before, repainting.patches, delivery, labels)
            write_report(outputs, paths, delivery, brief.listening, provenance)
        provenance = repainting.provenance(self.bundle, studio.watch.timings)
        return FileResult(paths, recording.duration_seconds, provenance)

    def _brief(
        self, recording: Recording, options: GenerationOptions, studio: Studio, stack: ExitStack
    ) -> Brief:
        """Listen and plan; refuse first what the bundle cannot do, before anything is heard."""
        options.sampler(self.sampler)
        # To the end of the run: the other cores are the networks', or hold what runs alongside.
        stack.enter_context(one_blas_thread())
        num_samples = resampled_length(
            recording.num_samples, recording.sample_rate, OUTPUT_SAMPLE_RATE
        )
        others = None
        with studio.watch.measure("features"):
            listening = self.listen(recording, options.tuning_cents)
            lead_sheet = self.plan(listening, options)
            if options.others is not None:
                sound = stack.enter_context(studio.scratch())
                others = hear_others(as_recording(options.others), num_samples, sound)
                listening = self._tuned_to(others, listening, options)
        return Brief(
            listening=listening,
            lead_sheet=lead_sheet,
            num_samples=num_samples,
            options=options,
            others=others,
        )

    def _tuned_to(
        self, others: Others, listening: Listening, options: GenerationOptions
    ) -> Listening:
        """Let the band play in tune with what is there already; a voice bends more easily."""
        if others.tuning_cents is None or options.tuning_hz is not None or not self.codec.can_tune:
            return listening
        return dataclasses.replace(listening, tuning_cents=others.tuning_cents)

    def _provenance(self, rendition: Rendition, choice: Choice, studio: Studio) -> Provenance:
        take = rendition.take
        told = take.provenance(take.gains(), self.bundle, studio.watch.timings)
        return dataclasses.replace(told, candidates=choice.candidates)


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


def _studio(
    options: GenerationOptions, on_progress: OnProgress | None, folder: Path | None = None
) -> Studio:
    """Share the memory for sound among as many pieces as there may be at once."""
    pieces = (1 + len(PART_NAMES) * options.stems) * options.variations + (
        options.others is not None
    )
    return Studio(
        folder=folder, share=1 / pieces, watch=Stopwatch(), on_progress=on_progress or _ignore
    )


def _seed(options: GenerationOptions) -> int:
    return secrets.randbelow(_DRAWN_SEEDS) if options.seed is None else options.seed


def _ignore(fraction: float) -> None:
    """Take no notice of progress."""
