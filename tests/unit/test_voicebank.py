import shutil
from pathlib import Path

import numpy as np
import pytest

from banso.audio import Audio
from banso.data.sampled import choose_syllable, sing_sampled, sing_with, voice_of
from banso.data.singer import octave_shift, random_voice
from banso.data.song import Note
from banso.data.spoken import measure_spoken
from banso.data.voicebank import Bank, load_bank, measure_bank, read_oto, save_bank
from banso.errors import DataError
from banso.files import write_audio

pytestmark = pytest.mark.lab

RATE = 44_100
FORMANTS = {"a": (700, 1100), "i": (300, 2300)}


def _vowel(name: str, hz: float, seconds: float) -> np.ndarray:
    """A voice of 40 partials with two formants."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros(len(time))
    for k in range(1, 41):
        gain = sum(1 / (1 + ((k * hz - f) / 120) ** 2) for f in FORMANTS[name]) + 0.01
        wave += gain * np.sin(2 * np.pi * k * hz * time + k)
    return 0.1 * wave


def _write_bank(folder: Path, encoding: str = "utf-8") -> None:
    """Syllables `sa` and `shi`: 0.1 s of hiss, then 0.6 s of vowel at 146.8 Hz (D3)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, vowel in (("sa", "a"), ("shi", "i")):
        hiss = np.diff(0.1 * rng.standard_normal(round(0.1 * RATE) + 1))
        wave = np.concatenate((np.zeros(RATE // 10), hiss, _vowel(vowel, 146.8, 0.6)))
        write_audio(folder / f"{name}.flac", Audio(wave[None].astype(np.float32), RATE))
    rows = "sa.wav=さ,100,160,-700,100,20\nshi.wav=- し,100,160,0,100,20\nbad=row\n"
    (folder / "oto.ini").write_bytes(rows.encode(encoding))
    (folder / "readme.txt").write_text("CC BY 4.0", encoding="utf-8")
    (folder / "character.txt").write_text("author=Somebody", encoding="utf-8")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("banks") / "test"
    _write_bank(folder)
    return measure_bank(folder)


def _pitch(piece: np.ndarray) -> float:
    """Fundamental as a MIDI note, by autocorrelation."""
    spectrum = np.abs(np.fft.rfft(piece - piece.mean(), 2 * len(piece))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(piece)] / np.arange(len(piece), 0, -1)
    low, high = RATE // 900, RATE // 70
    peaks = correlation[low:high]
    inner = (peaks[1:-1] > peaks[:-2]) & (peaks[1:-1] >= peaks[2:])
    lag = low + 1 + int(np.flatnonzero(inner & (peaks[1:-1] > 0.85 * peaks.max()))[0])
    return float(69 + 12 * np.log2(RATE / lag / 440))


def test_measures_pitch_colour_noise_and_rights(bank: Bank):
    assert (bank.licence, bank.attribution) == ("CC-BY-4.0", "Somebody")
    assert bank.pitch == pytest.approx(50.0, abs=0.3)
    assert sorted(s.alias for s in bank.syllables) == ["- し", "さ"]
    for syllable in bank.syllables:
        assert 6 <= syllable.onset <= 11
        assert syllable.steady > syllable.onset
        # The hiss is noise, the vowel is not.
        assert syllable.noise[2:5, 40:80].mean() > 0.8
        assert syllable.noise[syllable.steady + 4 : -4, 5:30].mean() < 0.4


def test_reads_both_encodings_and_skips_broken_rows(tmp_path: Path):
    for encoding in ("utf-8", "cp932"):
        _write_bank(tmp_path / encoding, encoding)
        entries = read_oto(tmp_path / encoding)
        assert [(e.alias, e.stem) for e in entries] == [("さ", "sa"), ("- し", "shi")]
        assert entries[0].cutoff_ms == -700


def test_unusable_banks_are_one_clear_error(tmp_path: Path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "readme.txt").write_text("CC0")
    with pytest.raises(DataError, match=r"no oto\.ini"):
        measure_bank(tmp_path / "none")
    _write_bank(tmp_path / "bank")
    (tmp_path / "bank" / "readme.txt").write_text("ask me first")
    with pytest.raises(DataError, match="states no licence"):
        measure_bank(tmp_path / "bank")
    (tmp_path / "x.bank.npz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no measured voice bank"):
        load_bank(tmp_path / "x.bank.npz")


def test_survives_the_disk(bank: Bank, tmp_path: Path):
    save_bank(bank, tmp_path / "deep" / "a.bank.npz")
    again = load_bank(tmp_path / "deep" / "a.bank.npz")
    assert (again.name, again.pitch, again.licence) == (bank.name, bank.pitch, bank.licence)
    for one, two in zip(bank.syllables, again.syllables, strict=True):
        assert (one.alias, one.onset, one.steady) == (two.alias, two.onset, two.steady)
        assert np.allclose(one.envelope, two.envelope, rtol=0.01, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_sings_the_notes_with_the_banks_colour(bank: Bank, seed: int):
    rng = np.random.default_rng(seed)
    voice = voice_of(bank, random_voice(rng), rng)
    notes = [Note(0.5 + i, 1.3 + i, p, 90) for i, p in enumerate((50, 54, 57, 55))]
    vocals = sing_sampled(
        notes, 5 * RATE, sample_rate=RATE, rng=rng, voice=voice, bank=bank
    )  # fmt: skip
    shift = octave_shift(notes, voice.centre)
    for note in notes:
        piece = vocals[round((note.start_seconds + 0.35) * RATE) :][: round(0.25 * RATE)]
        assert abs(_pitch(piece) - note.pitch - shift) < 0.75
    assert vocals.shape == (5 * RATE,)
    assert np.max(np.abs(vocals)) <= 0.98
    loud, quiet = np.std(vocals[RATE : 2 * RATE]), np.std(vocals[: RATE // 4])
    assert loud > 20 * quiet


def test_lyrics_choose_the_syllable(bank: Bank):
    def named(alias: str):
        first = bank.syllables[0]
        return type(first)(alias, first.envelope, first.noise, first.onset, first.steady)

    words = Bank("w", "x", "y", 50.0, tuple(named(a) for a in ("love", "lo", "ka", "see")))
    rng = np.random.default_rng(0)
    assert choose_syllable(words, "Love,", rng).alias == "love"
    assert choose_syllable(words, "lon-", rng).alias in ("love", "lo")
    assert choose_syllable(words, "kirk", rng).alias == "ka"
    drawn = {choose_syllable(words, "", rng).alias for _ in range(60)}
    assert drawn == {"love", "lo", "ka", "see"}


def test_singers_are_mixed_and_repeatable(bank: Bank):
    notes = [Note(0.1, 0.9, 60, 90)]

    def sung(seed: int, banks: tuple[Bank, ...]) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return sing_with(banks, notes, RATE, sample_rate=RATE, rng=rng)

    assert np.array_equal(sung(3, (bank,)), sung(3, (bank,)))
    same = [np.array_equal(sung(s, (bank,)), sung(s, ())) for s in range(8)]
    assert not all(same)
    assert not sing_with((bank,), [], 9, sample_rate=RATE, rng=np.random.default_rng(0)).any()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_spoken_words_become_a_bank():
    bank = measure_spoken("en-us+f2", ("la", "see"))
    assert [s.alias for s in bank.syllables] == ["la", "see"]
    assert 40 < bank.pitch < 65
    see = bank.syllables[1]
    assert see.noise[: see.onset, 60:80].mean() > see.noise[see.steady :, 2:20].mean() + 0.3
    with pytest.raises(DataError, match="cannot say"):
        measure_spoken("klingon-9", ("la",))
    with pytest.raises(DataError, match="not installed"):
        measure_spoken("en-us", ("la",), program="no-such-program")
