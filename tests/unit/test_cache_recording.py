import numpy as np

from banso.codec.analysis import analyze
from banso.data.cache import cache_recording, load_cache


def test_a_recording_is_encoded_in_pieces_that_join_to_the_whole(tmp_path):
    random = np.random.default_rng(0)
    samples = 0.1 * random.standard_normal((2, 25 * 44_100)).astype(np.float32)
    cache_recording(samples, "song", tmp_path, "train")
    pieces = list(load_cache(tmp_path, "train"))
    assert [piece.item_id for piece in pieces] == ["song-000", "song-001", "song-002"]
    joined = np.concatenate([piece.parameters for piece in pieces]).astype(np.float32)
    np.testing.assert_allclose(joined, analyze(samples).to_array(), atol=1e-3)
    assert not any(piece.conditions.any() for piece in pieces)
