"""Write what came of a run: accompaniment, parts, mix and picture."""

from pathlib import Path

from banso.audio import Recording, collect
from banso.delivery import OUTPUT_SAMPLE_RATE, Delivery, Labels
from banso.files import AudioReader, AudioWriter
from banso.listening import Listening
from banso.options import OutputPaths
from banso.outputs import OutputFiles
from banso.renditions import Rendition
from banso.repaint import Patch, repainted
from banso.report import draw_report
from banso.results import Accompaniment, Provenance


def write_files(
    outputs: OutputFiles, paths: OutputPaths, delivery: Delivery, labels: Labels
) -> None:
    """Write accompaniment, parts and mix, as far as wanted.

    Args:
        outputs: Where to write instead, until all is done.
        paths: Which files are wanted.
        delivery: What to write.
        labels: Format and metadata.
    """
    delivery.write_accompaniment(outputs.part(paths.accompaniment), labels)
    for part, path in paths.stems.items():
        delivery.write_stem(part, outputs.part(path), labels)
    if paths.mix is not None:
        delivery.write_mix(outputs.part(paths.mix), labels)


def write_repainted(
    outputs: OutputFiles,
    paths: OutputPaths,
    previous: AudioReader,
    patches: tuple[Patch, ...],
    delivery: Delivery,
    labels: Labels,
) -> None:
    """Write a repainted accompaniment as the previous file is written, and the mix.

    Args:
        outputs: Where to write instead, until all is done.
        paths: Which files are wanted.
        previous: The accompaniment as it was.
        patches: What is new.
        delivery: The accompaniment as it is now, for the mix.
        labels: Metadata, and the mix's format.
    """
    writer = AudioWriter(
        outputs.part(paths.accompaniment),
        previous.sample_rate,
        previous.num_channels,
        num_samples=previous.num_samples,
        comment=labels.comment,
        encoding=previous.encoding,
    )
    with writer:
        for block in repainted(previous.exact_blocks(), patches, previous.num_bits):
            writer.write(block)
    if paths.mix is not None:
        delivery.write_mix(outputs.part(paths.mix), labels)


def write_report(
    outputs: OutputFiles,
    paths: OutputPaths,
    delivery: Delivery,
    listening: Listening,
    provenance: Provenance,
) -> None:
    """Draw the picture, if it is wanted; see `draw_report`."""
    if paths.report is None:
        return
    # A `Recording` is called what its errors call it; a picture has room for less.
    title = Path(delivery.vocals.name).name
    draw_report(
        outputs.part(paths.report),
        title,
        delivery,
        listening.features,
        listening.frame_rate,
        sheet=provenance.lead_sheet,
        regions=provenance.regions,
    )


def in_memory(vocals: Recording, rendition: Rendition, provenance: Provenance) -> Accompaniment:
    """Return a rendition as it would be written."""
    delivery = rendition.delivery(vocals)
    return Accompaniment(
        collect(delivery.accompaniment_blocks(), OUTPUT_SAMPLE_RATE),
        provenance,
        {part: collect(delivery.stem_blocks(part), OUTPUT_SAMPLE_RATE) for part in rendition.stems},
    )
