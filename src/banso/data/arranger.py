"""Write a band for a song: drums, bass and chord instruments in a style.

All parts share one time line in sixteenth notes that follows the score's beats, so the band is on
the beat whatever the tempo does; human deviation comes on top. One generator decides everything.
"""

from dataclasses import dataclass

import numpy as np

from banso.data import form
from banso.data.drummer import DrumBar, Drummer
from banso.data.drummer import play as play_drums
from banso.data.form import PHRASE_BARS, STEPS_PER_BEAT, Step
from banso.data.song import Note, Notes, Song
from banso.data.styles import DRUM_KEYS, PARTS, STYLES, Groove, Layer, Style
from banso.data.voicing import bass_pitch, lead_voices
from banso.errors import DataError

_HUMAN_DRUMS_CHANCE = 0.6  # where a drummer is at hand; programmed grooves keep their share


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One instrument of the band.

    Attributes:
        part: One of `PARTS`.
        program: General MIDI program, or the drum kit.
        is_drums: Whether it goes to the drum channel.
        notes: What it plays, in order of start.
        level: Volume, 0 to 127.
        pan: 0 left, 64 middle, 127 right.
        reverb: Reverb send, 0 to 127.
        chorus: Chorus send, 0 to 127.
    """

    part: str
    program: int
    is_drums: bool
    notes: Notes
    level: int
    pan: int
    reverb: int
    chorus: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """An arrangement: the style's name and the tracks."""

    style: str
    tracks: tuple[Track, ...]


def choose_style(song: Song, rng: np.random.Generator) -> str:
    """Pick a style that suits the song's metre; triple time gets a waltz half of the time."""
    meter = 3 if song.beats_per_bar % 3 == 0 else 4
    if meter == 3 and rng.random() < 0.5:
        return "waltz"
    return str(rng.choice([s.name for s in STYLES.values() if meter in s.meters]))


def arrange(
    song: Song, style_name: str, rng: np.random.Generator, drummer: Drummer | None = None
) -> Band:
    """Write the band's parts for a whole song.

    Args:
        song: Score with at least two beats.
        style_name: A key of `STYLES`.
        rng: Decides instruments, patterns, fills and human deviations.
        drummer: Recorded drumming; where it has something that fits, it often takes the drums.

    Returns:
        Tracks in order drums, bass, harmony, extra. Notes lie within the song's duration.

    Raises:
        DataError: If the style is unknown or the song has no beats.
    """
    if style_name not in STYLES:
        raise DataError(f"unknown style '{style_name}'; there are {', '.join(STYLES)}")
    if len(song.lead_sheet.beats) < 2:
        raise DataError(f"{song.song_id} has no beats to play to")
    style = STYLES[style_name]
    levels = form.energies(song, rng)
    steps = form.steps(song, levels, form.breaks(levels, rng))
    swing = float(style.swing * rng.uniform(0.4, 1.0))
    player = _Player(style, steps, swing, song.duration_seconds, rng)
    drums = player.human_drums(drummer, song) if drummer is not None else None
    tracks = [drums or player.drums(), player.bass()]
    layers = [layer for layer in style.layers if layer.part == "harmony"]
    if song.piano and rng.random() < style.piano_chance:
        tracks.append(player.piano(song.piano))
    else:
        tracks.append(player.chords(layers[int(rng.integers(len(layers)))]))
    tracks += [
        player.chords(layer)
        for layer in style.layers
        if layer.part == "extra" and rng.random() < 0.8
    ]
    if song.bridge and rng.random() < 0.3:
        tracks.append(player.lead(song.bridge))
    tracks = [track for track in tracks if track.notes]
    return Band(style=style.name, tracks=tuple(sorted(tracks, key=lambda t: PARTS.index(t.part))))


class _Player:
    """Plays the parts of one band; holds what they share."""

    def __init__(
        self,
        style: Style,
        steps: list[Step],
        swing: float,
        duration_seconds: float,
        rng: np.random.Generator,
    ) -> None:
        self._style = style
        self._steps = steps
        self._swing = swing
        self._duration = duration_seconds
        self._rng = rng

    def drums(self) -> Track:
        style, rng = self._style, self._rng
        notes: list[Note] = []
        half = rng.random() < 0.15 and style.name in ("rock", "pop-band")
        fill_bars = self._fill_bars()
        for index, step in enumerate(self._steps):
            if step.is_break:
                continue
            groove = self._groove(step.energy)
            in_fill = style.fills and step.bar in fill_bars
            if in_fill and step.place >= step.bar_length - (8 if step.energy > 0.6 else 4):
                self._fill(notes, index)
                continue
            for drum, pattern in groove.hits.items():
                place = step.place // 2 if half and drum == "snare" else step.place
                self._hit(notes, index, drum, pattern[place % len(pattern)])
            if step.place == 0 and step.bar % 8 == 1 and step.energy > 0.3 and style.fills:
                self._hit(notes, index, "crash", "x")
        kit = int(rng.choice(style.kits))
        return self._track("drums", kit, notes, style.drum_level, pan=64, is_drums=True)

    def human_drums(self, drummer: Drummer, song: Song) -> Track | None:
        """Recorded drumming on the song's beats; None if chance or the corpus is against it."""
        style, rng = self._style, self._rng
        tempo = 60 / float(np.median(np.diff(song.lead_sheet.beats)))
        matched = style.name, song.beats_per_bar, tempo, rng
        take = drummer.choose(*matched) if rng.random() < _HUMAN_DRUMS_CHANCE else None
        if take is None:
            return None
        fills = drummer.choose_fills(*matched) if style.fills else ()
        notes = play_drums(take, fills, self._drum_bars(song), self._duration, rng)
        held = [(s.seconds - 0.02, s.next_seconds - 0.02) for s in self._steps if s.is_break]
        notes = [n for n in notes if not any(a <= n.start_seconds < b for a, b in held)]
        kit = int(rng.choice(style.kits))
        return self._track("drums", kit, notes, style.drum_level, pan=64, is_drums=True)

    def _drum_bars(self, song: Song) -> list[DrumBar]:
        fill_bars = self._fill_bars()
        bars = []
        for number in dict.fromkeys(step.bar for step in self._steps):
            steps = [step for step in self._steps if step.bar == number]
            beats = tuple(s.seconds for s in steps if s.place % STEPS_PER_BEAT == 0)
            energy = float(np.mean([step.energy for step in steps]))
            is_pickup = number == 0 and len(beats) < song.beats_per_bar
            if beats:
                beats += (steps[-1].next_seconds,)
                bars.append(DrumBar(beats, energy, number in fill_bars, is_pickup))
        return bars

    def _fill_bars(self) -> set[int]:
        """Last bars of phrases in which the drums lead into the next."""
        last = self._steps[-1].bar
        return {b for b in range(PHRASE_BARS, last, PHRASE_BARS) if self._rng.random() < 0.7}

    def _groove(self, energy: float) -> Groove:
        grooves = self._style.grooves
        return grooves[min(int(energy * len(grooves)), len(grooves) - 1)]

    def _fill(self, notes: list[Note], index: int) -> None:
        rng, step = self._rng, self._steps[index]
        left = step.bar_length - step.place
        drum = ("tom_low", "tom_mid", "tom_high", "snare")[min(3, (left - 1) // 2)]
        if step.place % 2 == 0 or rng.random() < 0.4 + 0.4 * step.energy:
            self._hit(notes, index, drum, "X" if left <= 2 else "x")
        if step.place % 4 == 0:
            self._hit(notes, index, "kick", "x")

    def _hit(self, notes: list[Note], index: int, drum: str, mark: str) -> None:
        if mark in "Xxg":
            velocity = {"X": 108, "x": 86, "g": 45}[mark]
            self._add(notes, index, 0.12, DRUM_KEYS[drum], velocity)

    def bass(self) -> Track:
        style, rng = self._style, self._rng
        pattern = str(rng.choice(style.bass_patterns))
        busy = str(rng.choice(style.bass_patterns))
        notes: list[Note] = []
        lowest = int(rng.integers(28, 34))
        for index, step in enumerate(self._steps):
            rhythm = busy if step.energy > 0.66 else pattern
            mark = rhythm[step.place % len(rhythm)]
            changed = index == 0 or step.chord != self._steps[index - 1].chord
            leads_nowhere = mark == "A" and not self._changes_within(index, 2)
            if changed or leads_nowhere:
                mark = "R"
            if mark in "RFOTA" and step.chord.root is not None and not step.is_break:
                upcoming = self._steps[min(index + 2, len(self._steps) - 1)].chord
                pitch = bass_pitch(step.chord, mark, upcoming, lowest)
                end = self._hold(index, rhythm)
                velocity = 100 if step.place % 8 == 0 else 88
                self._add(notes, index, end - step.seconds, pitch, velocity)
        program = int(rng.choice(style.bass_programs))
        return self._track("bass", program, notes, int(rng.integers(96, 116)), pan=64)

    def chords(self, layer: Layer) -> Track:
        rng = self._rng
        quiet = str(rng.choice(layer.patterns))
        loud = str(rng.choice(layer.patterns))
        centre = layer.centre + int(rng.integers(-3, 4))
        voices = lead_voices([s.chord for s in self._steps], centre, int(rng.integers(3, 5)))
        order = int(rng.integers(3))
        notes: list[Note] = []
        for index, step in enumerate(self._steps):
            if not voices[index] or step.energy < layer.from_energy:
                continue
            rhythm = loud if step.energy > 0.6 else quiet
            changed = index == 0 or step.chord != self._steps[index - 1].chord
            # A chord that begins in a rest of the rhythm is played when it begins.
            mark = "X" if changed and layer.part == "harmony" else rhythm[step.place % len(rhythm)]
            if layer.mode == "pad":
                mark = "x" if changed or step.place == 0 else "."
            if mark not in "Xxg":
                continue
            end = self._chord_end(index) if layer.mode == "pad" else self._hold(index, rhythm)
            velocity = {"X": 98, "x": 84, "g": 56}[mark]
            self._chord(notes, index, end - step.seconds, voices[index], velocity, layer, order)
        pan = int(np.clip(64 + rng.normal(0, 26), 12, 116))
        return self._track(layer.part, int(rng.choice(layer.programs)), notes, layer.level, pan)

    def _chord(
        self,
        notes: list[Note],
        index: int,
        seconds: float,
        pitches: tuple[int, ...],
        velocity: int,
        layer: Layer,
        order: int,
    ) -> None:
        if layer.mode == "arpeggio":
            count = self._steps[index].place // (1 if "xx" in "".join(layer.patterns) else 2)
            cycle = pitches + pitches[-2:0:-1] if order == 0 else pitches
            cycle = cycle[::-1] if order == 2 else cycle
            ring = max(seconds, min(1.0, self._chord_end(index) - self._steps[index].seconds))
            self._add(notes, index, ring, cycle[count % len(cycle)], velocity)
            return
        down = self._steps[index].place % 4 < 2
        spread = 0.014 if layer.mode == "strum" else 0.0
        for string, pitch in enumerate(pitches if down else pitches[::-1]):
            soft = velocity - (0 if down or layer.mode != "strum" else 10)
            self._add(notes, index, seconds, pitch, soft, delay=spread * string)

    def piano(self, notes: Notes) -> Track:
        """The pianist's own performance, as the harmony."""
        program = int(self._rng.choice((0, 0, 0, 1, 2, 4)))
        return self._track("harmony", program, list(notes), 104, pan=64)

    def lead(self, notes: Notes) -> Track:
        """Lead lines between the sung phrases."""
        program = int(self._rng.choice((73, 65, 40, 11, 27, 68)))
        return self._track("extra", program, list(notes), 70, pan=int(self._rng.integers(40, 90)))

    def _changes_within(self, index: int, num_steps: int) -> bool:
        ahead = min(index + num_steps, len(self._steps) - 1)
        return self._steps[ahead].chord != self._steps[index].chord

    def _chord_end(self, index: int) -> float:
        """When the chord changes or the bar ends, whichever is first."""
        start = self._steps[index]
        for step in self._steps[index + 1 :]:
            if step.chord != start.chord or step.bar != start.bar:
                return step.seconds
        return self._duration

    def _hold(self, index: int, rhythm: str) -> float:
        """When a note that is tied by `-` ends, at the latest with its chord."""
        start = self._steps[index]
        end = index + 1
        while (
            end < len(self._steps)
            and rhythm[self._steps[end].place % len(rhythm)] == "-"
            and self._steps[end].chord == start.chord
        ):
            end += 1
        return self._steps[end - 1].next_seconds

    def _add(
        self,
        notes: list[Note],
        index: int,
        seconds: float,
        pitch: int,
        velocity: int,
        delay: float = 0.0,
    ) -> None:
        style, rng, step = self._style, self._rng, self._steps[index]
        length = step.next_seconds - step.seconds
        unit = round(style.swing_unit * STEPS_PER_BEAT)
        if unit and step.place % (2 * unit) == unit:
            delay += self._swing * unit * length
        start = step.seconds + delay + rng.normal(0, style.tightness_ms / 1000)
        start = min(max(0.0, start), self._duration - 0.05)
        end = min(max(start + 0.05, step.seconds + seconds), self._duration)
        loudness = velocity * (0.8 + 0.25 * step.energy) + rng.normal(0, 5)
        notes.append(Note(start, end, pitch, int(np.clip(loudness, 20, 126))))

    def _track(
        self, part: str, program: int, notes: list[Note], level: int, pan: int,
        is_drums: bool = False,
    ) -> Track:  # fmt: skip
        rng = self._rng
        return Track(
            part=part,
            program=program,
            is_drums=is_drums,
            notes=tuple(sorted(notes, key=lambda n: (n.start_seconds, n.pitch))),
            level=int(np.clip(level + rng.normal(0, 7), 35, 127)),
            pan=pan,
            reverb=int(np.clip(self._style.reverb + rng.normal(0, 15), 0, 110)),
            chorus=int(rng.integers(0, 40)),
        )
