"""The analysis finds what simulated listeners were told to prefer, and leaves out the deaf."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.cli import app
from banso.errors import DataError
from banso.eval.listening import ListeningOptions, build_listening_test
from banso.eval.listening_report import analyze_listening
from banso.eval.listening_results import read_key, read_listener
from listening_songs import SYSTEMS, songs

pytestmark = pytest.mark.lab

# What simulated listeners perceive, on the scale of the ratings.
MERIT = {"true": 4.6, "ours_given": 3.7, "baseline": 2.6, "shuffled": 1.4}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    options = ListeningOptions(excerpt_seconds=1.0, least_heard_seconds=0.2)
    return build_listening_test(songs(), tmp_path_factory.mktemp("test"), options)


@pytest.fixture(scope="module")
def trials(built):
    text = (built.page.parent / "test.js").read_text()
    return json.loads(text.removeprefix("window.LISTENING_TEST = ").rstrip(";\n"))["trials"]


def simulate(built, trials, seed, *, sincere=True, **changes):
    """Answers of a program: merit and noise, or noise alone."""
    rng = np.random.default_rng(seed)
    clips = json.loads(built.key.read_text())["clips"]

    def felt(name):
        merit = MERIT[clips[name]["system"]] if sincere else 3.0
        return merit + rng.normal(0, 0.6 if sincere else 2.0)

    def answer(trial):
        common = {"trial": trial["id"], "kind": trial["kind"], "shown": trial["clips"]}
        if trial["kind"] == "pair":
            values = [felt(name) for name in trial["clips"]]
            near = abs(values[0] - values[1]) < 0.3
            return common | {"preferred": None if near else trial["clips"][int(np.argmax(values))]}
        scores = {
            name: {s: int(np.clip(round(felt(name)), 1, 5)) for s in ("fit", "quality")}
            for name in trial["clips"]
        }
        return common | {"ratings": scores}

    return {
        "format": "banso-listening-result",
        "format_version": 1,
        "test_id": json.loads(built.key.read_text())["test_id"],
        "listener": f"{seed:016x}",
        "simulated": True,
        "about": {"device": "headphones", "training": "hobby"},
        "finished": f"2000-01-01T00:00:{seed:02d}.000Z",
        "answers": [answer(trial) for trial in trials],
    } | changes


def write(folder, *results):
    paths = [folder / f"result-{number}.json" for number in range(len(results))]
    for path, result in zip(paths, results, strict=True):
        path.write_text(json.dumps(result))
    return paths


def test_the_planted_order_is_found_with_intervals(built, trials, tmp_path):
    results = [simulate(built, trials, seed) for seed in range(14)]
    paths = write(tmp_path, *results)
    done = CliRunner().invoke(
        app,
        ["evaluate", "--analyze-listening", *map(str, paths), "--key", str(built.key),
         "--out", str(tmp_path / "report")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "report" / "listening.json").read_text())
    group = found["groups"]["passing"]
    assert group["num_listeners"] >= 13
    strengths = group["strengths"]
    assert sorted(strengths, key=lambda s: -strengths[s][0]) == list(SYSTEMS)
    assert all(low < estimate < high for estimate, low, high in strengths.values())
    for scale in ("fit", "quality"):
        for system, (estimate, low, high) in group["scores"][scale].items():
            assert low <= estimate <= high
            assert estimate == pytest.approx(MERIT[system], abs=0.35)
    closed, low, high = group["gap_closed"]["fit"]["ours_given"]
    assert closed == pytest.approx((3.7 - 1.4) / (4.6 - 1.4), abs=0.12)
    assert low < closed < high
    table = (tmp_path / "report" / "listening.md").read_text()
    assert table.index("| true |") < table.index("| ours, given |") < table.index("| shuffled |")
    assert table in done.stdout


def test_simulated_answers_are_labelled_wherever_they_appear(built, trials, tmp_path):
    mixed = [simulate(built, trials, 1), simulate(built, trials, 2, simulated=False)]
    text = analyze_listening(write(tmp_path, *mixed), built.key, tmp_path)
    assert "SIMULATED ANSWERS: 1 of 2 listeners" in text
    assert json.loads((tmp_path / "listening.json").read_text())["num_simulated"] == 1
    real = [simulate(built, trials, 3, simulated=False)]
    assert "SIMULATED" not in analyze_listening(write(tmp_path, *real), built.key, tmp_path)


def test_listeners_who_fail_the_anchor_are_left_out(built, trials, tmp_path):
    sincere = [simulate(built, trials, seed) for seed in range(8)]
    clips = json.loads(built.key.read_text())["clips"]
    deaf = simulate(built, trials, 20)
    for answer in deaf["answers"]:
        if answer["kind"] == "rating":
            for name, score in answer["ratings"].items():
                score["fit"] = 5 if clips[name]["system"] == "shuffled" else 2
    analyze_listening(write(tmp_path, *sincere, deaf), built.key, tmp_path)
    found = json.loads((tmp_path / "listening.json").read_text())
    scores = {listener["name"]: listener for listener in found["listeners"]}
    assert scores[deaf["listener"]]["anchor_score"] <= 0.25
    assert not scores[deaf["listener"]]["passes"]
    assert found["groups"]["all"]["num_listeners"] == 9
    assert found["groups"]["passing"]["num_listeners"] == 8


def test_random_answers_pass_seldom(built, trials, tmp_path):
    key = read_key(built.key)
    results = [simulate(built, trials, seed, sincere=False) for seed in range(60)]
    passed = [read_listener(path, key).passes for path in write(tmp_path, *results)]
    # On three songs and one comparison chance passes about one in six.
    assert 0 < np.mean(passed) < 0.35


def test_no_listener_may_pass(built, trials, tmp_path):
    silly = simulate(built, trials, 1)
    for answer in silly["answers"]:
        if answer["kind"] == "rating":
            answer["ratings"] = {name: {"fit": 3, "quality": 3} for name in answer["shown"]}
    text = analyze_listening(write(tmp_path, silly), built.key, tmp_path)
    assert "Listeners who pass: none" in text
    assert "All listeners (1)" in text


def test_of_a_listener_who_sent_twice_the_later_counts(built, trials, tmp_path):
    first = simulate(built, trials, 1, about={"device": "speakers", "training": "none"})
    later = simulate(built, trials, 1, finished="2001-01-01T00:00:00.000Z")
    analyze_listening(write(tmp_path, later, first), built.key, tmp_path)
    found = json.loads((tmp_path / "listening.json").read_text())
    assert [listener["about"]["device"] for listener in found["listeners"]] == ["headphones"]


def test_the_same_answers_give_the_same_report(built, trials, tmp_path):
    paths = write(tmp_path, *[simulate(built, trials, seed) for seed in range(4)])
    texts = [analyze_listening(paths, built.key, tmp_path / name, seed=5) for name in "ab"]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_id": "0000"}, "the key of"),
        ({"finished": None}, "not finished"),
        ({"format": "other"}, "no listening result"),
        ({"answers": []}, "do not match"),
        ({"answers": None}, "not a valid"),
    ],
)
def test_broken_results_are_one_clear_error(built, trials, tmp_path, changes, words):
    (path,) = write(tmp_path, simulate(built, trials, 1, **changes))
    with pytest.raises(DataError, match=words):
        analyze_listening([path], built.key, tmp_path)


def test_ratings_beyond_the_scale_are_refused(built, trials, tmp_path):
    result = simulate(built, trials, 1)
    rating = next(answer for answer in result["answers"] if answer["kind"] == "rating")
    rating["ratings"][rating["shown"][0]]["fit"] = 6
    with pytest.raises(DataError, match="1 to 5"):
        analyze_listening(write(tmp_path, result), built.key, tmp_path)


def test_a_file_that_is_no_json_is_named(built, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(DataError, match=r"broken\.json"):
        analyze_listening([path], built.key, tmp_path)
    with pytest.raises(DataError, match="no results"):
        analyze_listening([], built.key, tmp_path)
    with pytest.raises(DataError, match="not the key"):
        analyze_listening([path], write(tmp_path, {"format_version": 1})[0], tmp_path)
