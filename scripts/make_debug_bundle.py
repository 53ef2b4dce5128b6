"""Write the debug bundle of the tests: real graphs of a few kilobytes that really accompany.

Its denoiser knows one rule instead of weights: every frame's latents are the voice's chroma, give
or take. Its codec plays latent 0 to 11 as the notes C4 to B4, 12 as noise and 13 as pan.
So what comes out of the whole way through can be predicted, without training and without torch.

    python scripts/make_debug_bundle.py tests/data/debug_bundle
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from banso import features, runtime
from banso.bundle import DataSource, Manifest, write_bundle
from banso.codec import parameters as p
from banso.conditioning import KNOWN, NUM_CHANNELS, NUM_CONDITIONS, VOCAL
from banso.config import LatentFormat, SamplerConfig
from banso.train.graphs import described

Shape = tuple[str, ...]

OPSET = 20
SPREAD = 0.2  # standard deviation of the latents around the rule
WIDTH = 16  # of the context
FIRST_NOTE = 60 - p.LOWEST_MIDI  # C4 among the codec's tones
FULL = ("batch", "frames", str(WIDTH))
HALF = ("batch", "1", "half_frames", str(2 * WIDTH))
QUARTER = ("batch", "1", "quarter_frames", str(4 * WIDTH))
CONTEXT = dict(zip(runtime.CONTEXT_NAMES, (FULL, HALF, HALF, QUARTER, QUARTER), strict=True))
LATENTS = ("batch", "frames", str(NUM_CHANNELS))


def encoder() -> onnx.ModelProto:
    """Voice's chroma as context, the same at all rates."""
    pick = np.zeros((NUM_CONDITIONS, WIDTH), np.float32)
    first = VOCAL.start + 1 + features.CHROMA.start
    pick[np.arange(first, first + 12), np.arange(12)] = 1
    nodes = [helper.make_node("MatMul", ["conditioning", "pick"], ["context_full"])]
    for name, shape in (("half", [0, 1, -1, 2 * WIDTH]), ("quarter", [0, 1, -1, 4 * WIDTH])):
        nodes.append(_constant(f"{name}_shape", np.array(shape)))
        for kind in ("keys", "values"):
            inputs = ["context_full", f"{name}_shape"]
            nodes.append(helper.make_node("Reshape", inputs, [f"{name}_{kind}"]))
    inputs = {"conditioning": ("batch", "frames", str(NUM_CONDITIONS))}
    return _model(nodes, inputs, CONTEXT, {"pick": pick})


def denoiser() -> onnx.ModelProto:
    """Posterior mean for latents that are normal around the rule, then the known frames."""
    nodes = [
        _constant("full_shape", np.array([0, -1, WIDTH])),
        helper.make_node("Reshape", ["quarter_values", "full_shape"], ["again"]),
        helper.make_node("Add", ["context_full", "again"], ["twice"]),
        helper.make_node("MatMul", ["twice", "spread_out"], ["rule"]),
        _constant("level_shape", np.array([-1, 1, 1])),
        helper.make_node("Reshape", ["sigma", "level_shape"], ["level"]),
        helper.make_node("Mul", ["level", "level"], ["power"]),
        helper.make_node("Add", ["power", "own_power"], ["total"]),
        helper.make_node("Div", ["own_power", "total"], ["trust"]),
        helper.make_node("Sub", ["latents", "rule"], ["off"]),
        helper.make_node("Mul", ["trust", "off"], ["kept"]),
        helper.make_node("Add", ["rule", "kept"], ["free"]),
        _constant("sizes", np.array([1, NUM_CHANNELS])),
        helper.make_node("Split", ["known", "sizes"], ["mask", "fixed"], axis=-1),
        helper.make_node("Sub", ["fixed", "free"], ["change"]),
        helper.make_node("Mul", ["mask", "change"], ["masked"]),
        helper.make_node("Add", ["free", "masked"], ["denoised"]),
    ]
    known = ("batch", "frames", str(KNOWN.stop - KNOWN.start))
    weights = {
        "spread_out": 0.5 * np.eye(WIDTH, NUM_CHANNELS, dtype=np.float32),
        "own_power": np.array(SPREAD**2, np.float32),
    }
    inputs = {"latents": LATENTS, "sigma": ("batch",), **CONTEXT, "known": known}
    return _model(nodes, inputs, {"denoised": LATENTS}, weights)


def codec_decoder() -> onnx.ModelProto:
    """Latents, smoothed over three frames, as levels of twelve notes, noise and pan."""
    smooth = np.tile(np.array([0.25, 0.5, 0.25], np.float32), (14, 1, 1))
    rest = NUM_CHANNELS - 14
    sides = [0, 0, FIRST_NOTE, 0, 0, p.NUM_TONES - FIRST_NOTE - 12]
    nodes = [
        _constant("sizes", np.array([14, rest])),
        helper.make_node("Split", ["latents", "sizes"], ["used", "unused"], axis=-1),
        helper.make_node("Transpose", ["used"], ["across"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["across", "smooth"], ["mixed"], group=14, pads=[1, 1]),
        helper.make_node("Transpose", ["mixed"], ["rows"], perm=[0, 2, 1]),
        _constant("kinds", np.array([12, 1, 1])),
        helper.make_node("Split", ["rows", "kinds"], ["chroma", "hiss", "balance"], axis=-1),
        helper.make_node("Relu", ["chroma"], ["positive"]),
        helper.make_node("Mul", ["positive", "half"], ["notes"]),
        _constant("sides", np.array(sides)),
        helper.make_node("Pad", ["notes", "sides"], ["tones"]),
        helper.make_node("MatMul", ["hiss", "to_noise"], ["noise"]),
        helper.make_node("MatMul", ["balance", "to_bands"], ["pan"]),
        helper.make_node("MatMul", ["balance", "to_cents"], ["cents"]),
        helper.make_node("MatMul", ["balance", "to_side"], ["side"]),
        helper.make_node("Concat", ["tones"] * 2 + ["cents", "noise", "pan", "side"],
                         ["parameters"], axis=-1),
    ]  # fmt: skip
    _, cents, noise, bands, side = p.SIZES
    weights = {
        "smooth": smooth,
        "half": np.array(0.5, np.float32),
        "to_noise": np.full((1, noise), 0.1, np.float32),
        "to_bands": np.ones((1, bands), np.float32),
        "to_cents": np.zeros((1, cents), np.float32),
        "to_side": np.zeros((1, side), np.float32),
    }
    outputs = {"parameters": ("batch", "frames", str(p.NUM_PARAMETERS))}
    return _model(nodes, {"latents": LATENTS}, outputs, weights)


def codec_encoder() -> onnx.ModelProto:
    """The loudest octave of each note, and the pan."""
    tones = p.TONES_PER_FRAME * p.NUM_TONES
    nodes = [
        _constant("sizes", np.array([tones, *p.SIZES[1:]])),
        helper.make_node("Split", ["parameters", "sizes"],
                         ["tones", "cents", "noise", "pan", "side"], axis=-1),
        _constant("octaves", np.array([0, 0, tones // 12, 12])),
        helper.make_node("Reshape", ["tones", "octaves"], ["folded"]),
        _constant("axis", np.array([2])),
        helper.make_node("ReduceMax", ["folded", "axis"], ["loudest"], keepdims=0),
        helper.make_node("Mul", ["loudest", "two"], ["chroma"]),
        _constant("last", np.array([-1])),
        helper.make_node("ReduceMean", ["pan", "last"], ["balance"], keepdims=1),
        helper.make_node("Sub", ["balance", "balance"], ["hiss"]),
        helper.make_node("Concat", ["chroma", "hiss", "balance"], ["used"], axis=-1),
        _constant("sides", np.array([0, 0, 0, 0, 0, NUM_CHANNELS - 14])),
        helper.make_node("Pad", ["used", "sides"], ["latents"]),
    ]  # fmt: skip
    inputs = {"parameters": ("batch", "frames", str(p.NUM_PARAMETERS))}
    return _model(nodes, inputs, {"latents": LATENTS}, {"two": np.array(2, np.float32)})


def main(folder: Path) -> None:
    """Write the bundle."""
    models = {
        runtime.ENCODER_FILE: encoder(),
        runtime.DENOISER_FILE: denoiser(),
        runtime.CODEC_ENCODER_FILE: codec_encoder(),
        runtime.CODEC_DECODER_FILE: codec_decoder(),
    }
    manifest = Manifest(
        name="debug",
        licence="Apache-2.0",
        created_from="scripts/make_debug_bundle.py",
        latents=LatentFormat(),
        codec_context_frames=1,
        sampler=SamplerConfig(num_steps=3, window_frames=32, overlap_frames=16),
        styles=("pop", "rock"),
        graphs={name: described(model) for name, model in models.items()},
        data=(DataSource(name="none", licence="CC0-1.0", hours=0.0),),
    )
    contents = {name: model.SerializeToString() for name, model in models.items()}
    bundle = write_bundle(folder, manifest, contents)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size / 1000:.1f} kB, hash {bundle.hash}")


def _constant(name: str, value: NDArray[np.int64]) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    weights: dict[str, NDArray[np.float32]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "debug",
        *([_value(name, shape) for name, shape in side.items()] for side in (inputs, outputs)),
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    # The oldest layout that has all operators, so that old runtimes read it too.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    sizes = [int(axis) if axis.isdigit() else axis for axis in shape]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
