"""One ONNX graph as a session: the only module that imports `onnxruntime`."""

import os
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from banso.cores import usable_cores
from banso.errors import BundleError

Array = NDArray[np.float32]


class Session:
    """One ONNX graph, ready to run.

    Args:
        path: ONNX file.
        num_threads: CPU threads; None takes as many as this process may use cores.
    """

    def __init__(self, path: Path, num_threads: int | None = None) -> None:
        onnxruntime = _onnxruntime()
        options = onnxruntime.SessionOptions()
        #: CPU threads that the graph runs on.
        self.num_threads = options.intra_op_num_threads = num_threads or usable_cores()
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores from whatever else runs, numpy included: with
        # it, a step of the denoiser took 0.11-0.15 s on two busy cores, without it 0.08 s.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's exceptions have no common root of their own.
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"ONNX Runtime cannot load {path}: {reason}") from error
        self._inputs = {node.name for node in self._session.get_inputs()}
        #: Size of the last axis of each input, where the graph fixes it.
        self.input_widths = {
            node.name: node.shape[-1]
            for node in self._session.get_inputs()
            if node.shape and isinstance(node.shape[-1], int)
        }
        self.output_names = tuple(node.name for node in self._session.get_outputs())

    def run(self, **inputs: Array) -> dict[str, Array]:
        """Run the graph; inputs that the graph does not have are left out.

        Returns:
            Outputs by name.
        """
        # An exporter may drop an input that has no influence, for example an unused view.
        feed = {
            name: np.ascontiguousarray(value, dtype=np.float32)
            for name, value in inputs.items()
            if name in self._inputs
        }
        outputs = self._session.run(self.output_names, feed)
        return dict(zip(self.output_names, outputs, strict=True))


def _onnxruntime() -> ModuleType:
    """Import ONNX Runtime, told to keep to itself unless the user has said otherwise.

    From 1.29 on it sends what it does to its maker, and keeps a number for the device in the user's
    cache. Only this variable, set before the import, stops both.

    References:
        github.com/microsoft/onnxruntime, pull requests 27379 and 29843.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime  # type: ignore[no-any-return]
