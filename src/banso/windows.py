"""Cut a long sequence into overlapping windows, and cross-fade pieces back together.

The denoiser sees one window at a time. Each window after the first begins with frames that the
windows before it have already written, so the music continues instead of starting anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from banso.audio import Samples


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of frames to generate in one go.

    Attributes:
        start: First frame.
        stop: One past the last frame.
        num_known: How many frames from `start` on are known already; the rest is new.
        num_dropped: How many frames before `stop` are forgotten again: the next window writes them.
    """

    start: int
    stop: int
    num_known: int
    num_dropped: int = 0

    @property
    def end(self) -> int:
        """One past the last frame that stays."""
        return self.stop - self.num_dropped

    @property
    def num_new(self) -> int:
        """How many frames this window adds."""
        return self.end - self.start - self.num_known


def plan_windows(
    num_frames: int, window_frames: int, num_known: int, num_dropped: int = 0
) -> tuple[Window, ...]:
    """Plan the windows that write every frame of a sequence, in order.

    The last window reaches back as far as it must to be full: a short remainder would take the
    network away from the length it was trained on. It then knows more frames than the others.

    Args:
        num_frames: Length of the sequence, at least 1. A sequence shorter than a window is one
            window of its own length.
        window_frames: Length of a window.
        num_known: Overlap of a window with its predecessor, in [0, window_frames).
        num_dropped: What all windows but the last forget of their end, where the network does not
            see how the music goes on; known and dropped frames must leave room for new ones.

    Returns:
        The windows in order of generation.

    Raises:
        ValueError: If a number is out of range.
    """
    if (
        num_frames < 1
        or min(num_known, num_dropped) < 0
        or num_known + num_dropped >= window_frames
    ):
        numbers = f"{window_frames}/{num_known}/{num_dropped}"
        raise ValueError(f"no plan for {num_frames} frames, windows {numbers}")
    windows: list[Window] = []
    end = stop = 0
    while stop < num_frames:
        start = max(0, end - num_known)
        stop = min(num_frames, start + window_frames)
        start = max(0, stop - window_frames)
        windows.append(Window(start, stop, end - start, num_dropped if stop < num_frames else 0))
        end = windows[-1].end
    return tuple(windows)


def overlap_add(pieces: Iterable[tuple[int, Samples]], num_frames: int) -> Samples:
    """Join overlapping pieces with linear cross-fades.

    Where two pieces agree the result is exactly what they agree on: the fades sum to one, which
    equal-power fades do not, and overlapping decodes of the same latents agree nearly everywhere.

    Args:
        pieces: (start frame, [frames, channels]) in order of their starts; each begins at or
            before the end of what came before, and ends after it.
        num_frames: Total length.

    Returns:
        float32 [num_frames, channels].

    Raises:
        ValueError: If pieces leave a gap, go backwards or do not reach `num_frames` exactly.
    """
    joined: Samples | None = None
    end = 0
    for start, piece in pieces:
        stop = start + len(piece)
        if not 0 <= start <= end < stop <= num_frames:
            raise ValueError(f"piece {start}:{stop} does not continue a sequence of {end} frames")
        if joined is None:
            joined = np.zeros((num_frames, piece.shape[1]), np.float32)
        overlap = end - start
        # Neither end point is 0 or 1: both pieces are heard in every frame of the overlap.
        rise = (np.arange(1, overlap + 1, dtype=np.float32) / (overlap + 1))[:, None]
        joined[start:end] += rise * (piece[:overlap] - joined[start:end])
        joined[end:stop] = piece[overlap:]
        end = stop
    if joined is None or end != num_frames:
        raise ValueError(f"pieces end at frame {end} of {num_frames}")
    return joined
