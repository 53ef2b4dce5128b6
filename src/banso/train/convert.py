"""A public VAE as the codec of a bundle."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from banso.bundle import Bundle, Manifest, write_bundle
from banso.config import LatentFormat
from banso.model.oobleck import export_oobleck, load_oobleck
from banso.runtime import CODEC_DECODER_FILE, CODEC_ENCODER_FILE
from banso.train.release import commit


def convert_oobleck(source: str, out: Path, *, licence: str) -> Bundle:
    """Export an `AutoencoderOobleck` to ONNX and write it as a bundle that holds a codec only.

    Args:
        source: Local folder, or hub id, which is fetched.
        out: Folder of the bundle.
        licence: Of the VAE's weights, for the record.

    Raises:
        BundleError: If the VAE cannot be loaded or the bundle not be written.
    """
    codec = load_oobleck(source)
    context = decoder_context_frames(codec.vae.config.downsampling_ratios)
    with tempfile.TemporaryDirectory() as folder:
        export = export_oobleck(codec, Path(folder))
        files = {
            CODEC_ENCODER_FILE: export.encoder.read_bytes(),
            CODEC_DECODER_FILE: export.decoder.read_bytes(),
        }
    manifest = Manifest(
        name=Path(source).name,
        licence=licence,
        created_from=commit(),
        latents=LatentFormat(
            sample_rate=export.sample_rate,
            hop_length=export.hop_length,
            num_channels=export.num_channels,
        ),
        codec_kind="waveform",
        codec_context_frames=context,
    )
    return write_bundle(out, manifest, files)


def decoder_context_frames(downsampling_ratios: Sequence[int]) -> int:
    """Return how far to each side, in latent frames, a sample of the decoder depends on latents.

    A convolution of 7 on the latents; then, at each scale from the coarsest, a transposed
    convolution of twice its stride and three residual units of 7 taps with dilations 1, 3, 9; last
    a convolution of 7 on the waveform (Evans et al. 2024, arXiv:2407.14358, section 3.1).
    """
    reach, rows_per_frame = 3.0, 1
    for ratio in reversed(downsampling_ratios):
        reach += 1 / rows_per_frame
        rows_per_frame *= ratio
        reach += 3 * (1 + 3 + 9) / rows_per_frame
    return math.ceil(reach + 3 / rows_per_frame)
