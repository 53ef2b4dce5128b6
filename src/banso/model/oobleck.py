"""Public audio VAEs of the Oobleck family as codecs: Stable Audio Open 1.0, ACE-Step 1.5.

Their weights are used only when a user names them, by folder or by hub id, and are never part of
banso: Stable Audio Open's are gated, with a licence of their own; ACE-Step's are MIT. The network
is `diffusers`' `AutoencoderOobleck`; here are only the change of layout and the export.

References:
    Evans et al. 2024, "Stable Audio Open", arXiv:2407.14358, §3.1 (the VAE).
    Kumar et al. 2023, arXiv:2306.06546 (snake activations and residual units it builds on).
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from diffusers import AutoencoderOobleck
from torch import Tensor, nn

from banso.errors import BundleError

ENCODER_FILE = "encoder.onnx"
DECODER_FILE = "decoder.onnx"
_OPSET = 17
