import numpy as np
import pytest
import soundfile

from banso.audio import Audio
from banso.conditioning import KNOWN, Known
from banso.errors import AudioError, ConfigError
from banso.files import AudioReader
from banso.generation import noise_between
from banso.loudness import integrated_lufs
from banso.mixing import mix
from banso.options import GenerationOptions, OutputOptions
from banso.pipeline import Accompanist
from banso.regions import Region, Span, parse_regions, plan_stretches, spans_of
from banso.repaint import Patch, fade
from banso.scratch import Scratch
from conftest import sing
from fakes import fake_accompanist

SECONDS = 6.0
REGION = Region(2.0, 3.5)
INSIDE = slice(2 * 44_100, round(3.5 * 44_100))


@pytest.fixture(scope="module")
def song():
    """A voice, its accompaniment, and who made it."""
    accompanist = fake_accompanist()
    voice = Audio(sing(SECONDS), 44_100)
    return accompanist, voice, accompanist.accompany(voice, GenerationOptions(seed=1))


def test_nothing_but_the_region_changes(song):
    accompanist, voice, before = song
    fractions = []
    after = accompanist.repaint(
        voice, before.audio, [REGION], GenerationOptions(seed=2), fractions.append
    )
    same = after.audio.samples == before.audio.samples
    assert same[:, : INSIDE.start].all()
    assert same[:, INSIDE.stop :].all()
    assert same[:, INSIDE].mean() < 0.1
    assert after.provenance.regions == (REGION,)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_level_of_the_file_changes_the_level_and_not_the_notes(song):
    accompanist, voice, before = song
    options = GenerationOptions(seed=2)
    loud = accompanist.repaint(voice, before.audio, [REGION], options).audio.samples
    quiet = Audio(0.1 * before.audio.samples, 44_100)
    soft = accompanist.repaint(voice, quiet, [REGION], options).audio.samples
    np.testing.assert_allclose(10 * soft, loud, atol=0.01 * np.abs(loud).max())


def test_the_same_seed_makes_the_same_again(song):
    accompanist, voice, before = song
    one, two, other = (
        accompanist.repaint(voice, before.audio, [REGION], GenerationOptions(seed=s)).audio.samples
        for s in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other)[:, INSIDE].max() > 1e-3


def test_both_sides_are_known_and_only_the_region_is_generated(song, monkeypatch):
    accompanist, voice, before = song
    seen = []
    fill = accompanist.fill

    def spy(conditioning, known, *args):
        seen.append((len(conditioning), known))
        return fill(conditioning, known, *args)

    monkeypatch.setattr(accompanist, "fill", spy)
    regions = [Region(4.0, 4.5), REGION]
    accompanist.repaint(voice, before.audio, regions, GenerationOptions(seed=2))
    ((num_frames, known),) = seen
    # Frames 43 to 76 hold the first region, 86 to 97 the second.
    missing = np.flatnonzero(~known.mask)
    np.testing.assert_array_equal(missing, [*range(43, 76), *range(86, 97)])
    assert num_frames == 144
    # A band of -18 LUFS, whatever its file's level.
    assert np.abs(known.latents[:40, :2]).max() > 0.1


def test_windows_are_told_what_is_known():
    seen = []

    class Spy:
        def condition(self, conditioning):
            seen.append(conditioning[0].copy())
            return lambda noisy, sigma: np.full_like(noisy, 7.0)

    accompanist = fake_accompanist(num_steps=1, guidance_scale=1.0)
    accompanist.denoiser = Spy()
    mask = np.ones(64, bool)
    mask[20:50] = False
    known = Known(np.full((64, 64), 3.0, np.float32), mask)
    conditioning = np.zeros((64, KNOWN.stop), np.float32)
    latents = accompanist.fill(conditioning, known, 0, 0, GenerationOptions())
    np.testing.assert_array_equal(latents[mask], 3)
    np.testing.assert_array_equal(latents[~mask], 7)
    # Windows of 32 frames, 16 known from the last, which forgets one: 0-32, 15-47, 30-62.
    assert [int(s[:, KNOWN.start].sum()) for s in seen] == [20, 16, 28]
    assert seen[1][0, KNOWN.start + 1] == 3
    assert seen[1][8, KNOWN.start + 1] == 7
    assert not seen[0][~mask[:32], KNOWN.start + 1 :].any()


def test_noise_of_a_stretch_is_that_of_the_song():
    whole = noise_between(3, 0, 5_000, 4)
    np.testing.assert_array_equal(noise_between(3, 4_200, 4_300, 4), whole[4_200:4_300])


@pytest.mark.parametrize(
    ("subtype", "suffix"),
    [("PCM_16", "wav"), ("PCM_24", "wav"), ("FLOAT", "wav"), ("PCM_16", "flac")],
)
def test_files_keep_their_format_and_their_bits(song, tmp_path, vocals_file, subtype, suffix):
    accompanist, _, before = song
    voice = vocals_file(seconds=SECONDS)
    previous = tmp_path / f"before.{suffix}"
    soundfile.write(previous, 0.9 * before.audio.samples.T, 44_100, subtype=subtype)
    result = accompanist.repaint_file(
        voice, previous, [REGION], OutputOptions(report=True), GenerationOptions(seed=2)
    )
    after = AudioReader(result.paths.accompaniment)
    assert result.paths.accompaniment.name == f"song.accompaniment.{suffix}"
    assert after.encoding == AudioReader(previous).encoding
    was, now = (
        np.concatenate(list(AudioReader(p).exact_blocks()), axis=1)
        for p in (previous, result.paths.accompaniment)
    )
    np.testing.assert_array_equal(now[:, : INSIDE.start], was[:, : INSIDE.start])
    np.testing.assert_array_equal(now[:, INSIDE.stop :], was[:, INSIDE.stop :])
    assert (now != was)[:, INSIDE].mean() > 0.9
    assert result.paths.report.stat().st_size > 0


def test_the_result_may_replace_what_it_came_from(song, tmp_path, vocals_file):
    accompanist, _, _ = song
    voice = vocals_file(seconds=SECONDS)
    first = accompanist.accompany_file(voice, options=GenerationOptions(seed=1))
    was = AudioReader(first.paths.accompaniment).read().samples
    with pytest.raises(AudioError, match="--force"):
        accompanist.repaint_file(voice, first.paths.accompaniment, [REGION])
    second = accompanist.repaint_file(
        voice,
        first.paths.accompaniment,
        [REGION],
        OutputOptions(overwrite=True),
        GenerationOptions(seed=9),
    )
    assert second.paths == first.paths
    now = AudioReader(second.paths.accompaniment).read().samples
    assert (now == was)[:, : INSIDE.start].all()
    assert (now != was)[:, INSIDE].mean() > 0.9
    # The mix is the voice and what is now beside it.
    mixed = AudioReader(second.paths.mix).read().samples
    wanted = mix(AudioReader(voice).read(), AudioReader(second.paths.accompaniment).read())
    np.testing.assert_allclose(mixed, wanted.samples, atol=1e-5)
    assert not list(tmp_path.glob(".banso*"))


@pytest.mark.parametrize("values", [{"stems": True}, {"variations": 2}])
def test_options_without_meaning_here_are_refused(song, values):
    accompanist, voice, before = song
    with pytest.raises(ConfigError, match="leave"):
        accompanist.repaint(voice, before.audio, [REGION], GenerationOptions(**values))


def test_another_songs_accompaniment_is_refused(song):
    accompanist, voice, before = song
    short = Audio(before.audio.samples[:, :-1], 44_100)
    with pytest.raises(AudioError, match="264599 samples, the voice 264600"):
        accompanist.repaint(voice, short, [REGION])
    for wrong in (Audio(before.audio.samples[:1], 44_100), Audio(before.audio.samples, 48_000)):
        with pytest.raises(AudioError, match="stereo at 44100 Hz"):
            accompanist.repaint(voice, wrong, [REGION])


def test_lossy_files_are_refused(song, tmp_path, vocals_file):
    accompanist, _, before = song
    path = tmp_path / "before.ogg"
    soundfile.write(path, before.audio.samples.T, 44_100)
    with pytest.raises(AudioError, match="without loss"):
        accompanist.repaint_file(vocals_file(seconds=SECONDS), path, [REGION])


def test_regions_are_read():
    assert parse_regions("12.0-18.5") == (Region(12.0, 18.5),)
    assert parse_regions(" 3-5, 40.25 - 44") == (Region(3, 5), Region(40.25, 44))


@pytest.mark.parametrize(
    "text", ["", "12", "5-3", "-3-4", "1-2-3", "a-b", "1-1.1", "1e3-2e3", "nan-4"]
)
def test_what_is_no_region_is_one_clear_error(text):
    with pytest.raises(ConfigError, match="region"):
        parse_regions(text)


def test_spans_are_in_order_joined_and_inside():
    spans = spans_of([Region(5, 7), Region(1, 2), Region(1.5, 3)], 100, 600)
    assert spans == (Span(100, 300), Span(500, 600))
    with pytest.raises(ConfigError, match="beyond the end"):
        spans_of([Region(6, 7)], 100, 600)
    with pytest.raises(ConfigError, match="no region"):
        spans_of([], 100, 600)


def test_stretches_have_context_and_are_joined_where_they_meet():
    one, two = plan_stretches([Span(1_000, 1_200), Span(9_000, 9_100)], 10, 1_008, 32)
    assert (one.first, one.last) == (64, 160)
    np.testing.assert_array_equal(np.flatnonzero(~one.known), range(100 - 64, 120 - 64))
    assert (two.first, two.last) == (864, 944)
    (joined,) = plan_stretches([Span(1_000, 1_200), Span(1_605, 1_699)], 10, 1_008, 32)
    assert (joined.first, joined.last, len(joined.spans)) == (64, 208, 2)
    missing = np.flatnonzero(~joined.known) + 64
    np.testing.assert_array_equal(missing, [*range(100, 120), *range(160, 170)])


@pytest.mark.parametrize("likeness", [1.0, 0.0, -0.3])
def test_fades_keep_the_power(likeness):
    random = np.random.default_rng(0)
    old, rest = random.standard_normal((2, 2, 2_048)).astype(np.float32)
    new = likeness * old + np.sqrt(1 - likeness**2) * rest
    to_old, to_new = fade(old, new)
    power = np.square(to_old * old + to_new * new)
    for part in np.split(power, 4, axis=1):
        assert part.mean() == pytest.approx(1, abs=0.2)
    assert (to_old[0], to_new[-1]) == pytest.approx((1, 1), abs=0.01)
    assert (to_new[0], to_old[-1]) == pytest.approx((0, 0), abs=0.01)


def test_weights_of_a_patch_lead_in_and_out():
    head = np.stack([np.linspace(1, 0, 5), np.linspace(0, 1, 5)])
    with Scratch() as sound:
        patch = Patch(Span(100, 120), sound, head, head[:, ::-1])
        whole = patch.weights(0, 20)
        np.testing.assert_allclose(whole[1], [0, 0.25, 0.5, 0.75, *[1] * 12, 0.75, 0.5, 0.25, 0])
        pieces = [patch.weights(a, b) for a, b in ((0, 3), (3, 17), (17, 20))]
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def change_at(samples, seconds):
    """Energy of sudden change within a millisecond of some moment, in dB."""
    middle = round(seconds * 44_100)
    near = samples[:, middle - 44 : middle + 44].astype(np.float64)
    return 10 * np.log10(np.square(np.diff(near, n=2, axis=1)).mean() + 1e-20)


@pytest.fixture(scope="module")
def shipped():
    """The shipped bundle's accompanist, a voice and its accompaniment."""
    accompanist = Accompanist.from_bundle(None, num_threads=1)
    voice = Audio(sing(SECONDS), 44_100)
    options = GenerationOptions(seed=1, num_steps=3)
    return accompanist, voice, accompanist.accompany(voice, options).audio


def test_the_shipped_bundle_repaints_without_a_seam(shipped):
    accompanist, voice, before = shipped
    regions = [Region(1.37, 2.61), Region(4.2, 5.4)]
    options = GenerationOptions(seed=2, num_steps=3)
    after = accompanist.repaint(voice, before, regions, options).audio
    outside = np.ones(before.num_samples, bool)
    for region in regions:
        inside = slice(round(region.start_seconds * 44_100), round(region.end_seconds * 44_100))
        outside[inside] = False
        assert (after.samples != before.samples)[:, inside].mean() > 0.9
        for edge in (region.start_seconds, region.end_seconds):
            # A cut without a fade is 12 dB and more above.
            was, now = (change_at(a.samples, edge) for a in (before, after))
            assert now == pytest.approx(was, abs=1.5)
    np.testing.assert_array_equal(after.samples[:, outside], before.samples[:, outside])


def test_the_shipped_bundle_gives_an_encoded_band_its_level_back(shipped):
    accompanist, voice, before = shipped
    levels = []
    for gain in (1.0, 0.05):
        quiet = Audio(gain * before.samples, 44_100)
        options = GenerationOptions(seed=2, num_steps=3)
        after = accompanist.repaint(voice, quiet, [REGION], options).audio
        levels.append(integrated_lufs(after.samples[:, INSIDE] / gain, 44_100))
    assert levels[1] == pytest.approx(levels[0], abs=0.5)
