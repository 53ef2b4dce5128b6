"""The HTTP interface from upload to download, with workers in threads and no trained model."""

import dataclasses
import io
import json
import time
from itertools import pairwise

import pytest
import soundfile

from banso.chords import parse_chord
from banso.config import SamplerConfig
from web_service import API, wait_until, wav_bytes


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def recording(client, song):
    return client.post(f"{API}/recordings?name=my+song.wav", content=song).json()


def run(client, recording, **body):
    answer = client.post(f"{API}/jobs", json={"recording_id": recording["id"], **body})
    assert answer.status_code == 202, answer.text
    return [finished(client, job["id"]) for job in answer.json()["jobs"]]


def finished(client, job_id):
    def over():
        job = client.get(f"{API}/jobs/{job_id}").json()
        return job if job["state"] in ("done", "failed", "cancelled") else None

    return wait_until(over)


def error(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_from_upload_to_download(client, recording):
    assert recording["name"] == "my song.wav"
    assert recording["duration_seconds"] == 1.0
    (job,) = run(client, recording, style="rock", seed=7)
    assert job["state"] == "done", job["failure"]
    assert job["progress"] == 1.0
    result = job["result"]
    assert (result["seed"], result["style"], result["num_evaluations"] > 0) == (7, "rock", True)
    roles = [file["role"] for file in result["files"]]
    assert roles == ["accompaniment", "mix", "lead_sheet", "midi"]
    for file in result["files"][:2]:
        answer = client.get(file["url"])
        audio, rate = soundfile.read(io.BytesIO(answer.content))
        assert (rate, audio.shape) == (44_100, (44_100, 2))
        assert 0.01 < abs(audio).max() <= 1
        assert len(answer.content) == file["size_bytes"]


def test_the_same_seed_gives_the_same_bytes_and_variations_differ(client, recording):
    first, second = run(client, recording, seed=3, variations=2)
    (again,) = run(client, recording, seed=4)
    sounds = [client.get(j["result"]["files"][0]["url"]).content for j in (first, second, again)]
    assert [j["request"]["seed"] for j in (first, second, again)] == [3, 4, 4]
    assert sounds[0] != sounds[1]
    assert sounds[1] == sounds[2]


def test_a_file_can_be_saved_and_fetched_in_pieces(client, recording):
    (job,) = run(client, recording, seed=5, format="flac")
    url = job["result"]["files"][0]["url"]
    saved = client.get(f"{url}?download=true")
    assert saved.headers["content-type"] == "audio/flac"
    disposition = saved.headers["content-disposition"]
    assert disposition == "attachment; filename*=utf-8''my%20song.5.accompaniment.flac"
    piece = client.get(url, headers={"Range": "bytes=4-7"})
    assert (piece.status_code, piece.content) == (206, saved.content[4:8])


def test_an_analysis_finds_chords_and_gives_the_voice(client, recording):
    answer = client.post(f"{API}/recordings/{recording['id']}/analyze")
    job = finished(client, answer.json()["id"])
    sheet = job["result"]["lead_sheet"]
    assert sheet["chords"]
    assert all(9 in parse_chord(chord["label"]).pitch_classes for chord in sheet["chords"])
    assert sheet["chords"][-1]["end_seconds"] == pytest.approx(1.0, abs=1e-3)
    file = job["result"]["files"][0]
    assert file["role"] == "vocals"
    voice, rate = soundfile.read(io.BytesIO(client.get(file["url"]).content))
    original, _ = soundfile.read(io.BytesIO(wav_bytes()))
    assert rate == 44_100
    assert abs(voice - original).max() < 1e-4


def test_an_analysis_stays_within_what_is_given(client, recording):
    path = f"{API}/recordings/{recording['id']}/analyze"
    given = {"bpm": 120.0, "key": "Am"}
    result = finished(client, client.post(path, json=given).json()["id"])["result"]
    beats = result["lead_sheet"]["beats"]
    steps = {round(b - a, 6) for a, b in pairwise(beats)}
    assert steps == {0.5}
    assert result["lead_sheet"]["key"] == "A:min"
    assert result["pulse"]["confidence"] == 1
    assert error(client.post(path, json={"key": "H"}))[0] == 422


def test_a_lead_sheet_is_obeyed(client, recording):
    chords = [{"start_seconds": 0.0, "end_seconds": 1.0, "label": "A:min7"}]
    sheet = {"beats": [0.0, 0.5], "downbeats": [0.0], "chords": chords, "key": "A:min"}
    (job,) = run(client, recording, lead_sheet=sheet)
    assert job["result"]["lead_sheet"]["chords"] == chords
    assert job["result"]["lead_sheet"]["beats"] == [0.0, 0.5]
    (free,) = run(client, recording, plan="none")
    assert free["result"]["lead_sheet"] is None


def test_a_lead_sheet_may_come_as_text_and_comes_back_as_files(client, recording):
    text = "key: Am\nmeter: 4/4\ntempo: 120.0\nstart: 0.0\n\n| Am | F |\n"
    (job,) = run(client, recording, lead_sheet_text=text)
    assert job["state"] == "done", job["failure"]
    sheet = job["result"]["lead_sheet"]
    assert [chord["label"] for chord in sheet["chords"]] == ["A:min", "F:maj"]
    assert sheet["downbeats"] == [0.0, 2.0]
    files = {file["role"]: client.get(file["url"]) for file in job["result"]["files"]}
    assert files["lead_sheet"].text == text
    assert files["midi"].content.startswith(b"MThd")


def test_lead_sheets_are_translated_both_ways(client):
    text = "title: Song\nmeter: 3/4\ntempo: 90.0\nstart: 0.5\n\n[Verse]\n| C | G/B |\n"
    there = client.post(f"{API}/lead-sheets", json={"text": text}).json()
    assert there["text"] == text
    assert there["lead_sheet"]["sections"] == [{"start_seconds": 0.5, "name": "Verse"}]
    back = client.post(f"{API}/lead-sheets", json={"lead_sheet": there["lead_sheet"]}).json()
    assert back == there
    wrong = client.post(f"{API}/lead-sheets", json={"text": "tempo: 90\n| Hm |"})
    assert error(wrong) == (422, "invalid_lead_sheet")
    assert "line 2, column 3" in wrong.json()["error"]["message"]
    for body in ({}, {"text": "", "lead_sheet": {}}):
        assert error(client.post(f"{API}/lead-sheets", json=body)) == (422, "invalid_lead_sheet")


def test_parts_are_written_apart(client, recording):
    (job,) = run(client, recording, parts=["bass", "drums"], stems=True)
    assert job["state"] == "done", job["failure"]
    parts = [file["role"] for file in job["result"]["files"] if file["is_part"]]
    assert parts == ["drums", "bass"]


def test_a_region_is_made_anew_and_the_rest_kept(client, song):
    recording = client.post(f"{API}/recordings", content=wav_bytes(4.0)).json()
    (before,) = run(client, recording, seed=1)
    regions = [{"start_seconds": 1.0, "end_seconds": 2.0}]
    asked = {"repaint": {"job_id": before["id"], "regions": regions}, "seed": 2}
    (after,) = run(client, recording, **asked)
    assert after["state"] == "done", after["failure"]
    sounds = []
    for job in (before, after):
        file = next(f for f in job["result"]["files"] if f["role"] == "accompaniment")
        sounds.append(soundfile.read(io.BytesIO(client.get(file["url"]).content))[0])
    changed = (sounds[0] != sounds[1]).any(axis=1).nonzero()[0]
    assert len(changed) > 10_000
    assert changed.min() >= 1.0 * 44_100 - 1
    assert changed.max() <= 2.0 * 44_100


def test_only_a_finished_take_of_the_same_recording_is_repainted(client, recording, song):
    regions = [{"start_seconds": 0.0, "end_seconds": 0.5}]
    other = client.post(f"{API}/recordings", content=song).json()
    (foreign,) = run(client, other)
    (lossy,) = run(client, recording, format="mp3")
    for job in (foreign, lossy):
        body = {
            "recording_id": recording["id"],
            "repaint": {"job_id": job["id"], "regions": regions},
        }
        assert error(client.post(f"{API}/jobs", json=body)) == (422, "invalid_option")
    body["repaint"]["job_id"] = "0" * 24
    assert error(client.post(f"{API}/jobs", json=body)) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"style": "polka"}, "invalid_option"),
        ({"num_steps": 0}, "invalid_request"),
        ({"seed": -1}, "invalid_request"),
        ({"seed": 2**63}, "invalid_request"),
        ({"guidance_scale": 1e9}, "invalid_request"),
        ({"variations": 9}, "invalid_request"),
        ({"plan": "../etc/passwd"}, "invalid_request"),
        ({"unheard": "of"}, "invalid_request"),
        ({"parts": ["triangle"]}, "invalid_request"),
        ({"lead_sheet_text": "| C |", "lead_sheet": {}}, "invalid_lead_sheet"),
        ({"lead_sheet": {"beats": [2.0, 1.0]}}, "invalid_lead_sheet"),
        ({"lead_sheet": {"chords": [{"start_seconds": 0, "end_seconds": 1, "label": "H"}]}},
         "invalid_lead_sheet"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_at_once(client, recording, body, code):
    answer = client.post(f"{API}/jobs", json={"recording_id": recording["id"], **body})
    assert error(answer) == (422, code)
    assert client.get(f"{API}/jobs").json()["jobs"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"recording_id": "\\ud800"}'])
def test_a_body_that_is_no_request_is_refused(client, body):
    answer = client.post(f"{API}/jobs", content=body, headers={"Content-Type": "application/json"})
    assert error(answer) == (422, "invalid_request")


def test_what_is_not_there_is_not_found(client, recording):
    nobody = "0" * 24
    for method, path in [
        ("GET", f"/recordings/{nobody}"), ("DELETE", f"/recordings/{nobody}"),
        ("POST", f"/recordings/{nobody}/analyze"), ("GET", f"/jobs/{nobody}"),
        ("DELETE", f"/jobs/{nobody}"), ("POST", f"/jobs/{nobody}/cancel"),
        ("GET", f"/jobs/{nobody}/events"), ("GET", f"/jobs/{nobody}/files/mix.wav"),
    ]:  # fmt: skip
        assert error(client.request(method, API + path)) == (404, "not_found")
    answer = client.post(f"{API}/jobs", json={"recording_id": nobody})
    assert error(answer) == (404, "not_found")


def test_files_are_found_by_their_listed_names_only(client, recording):
    (job,) = run(client, recording)
    for name in ("result.json", "..%2f..%2fbanso.sqlite3", "audio", "%00", "mix.wav%2f.."):
        assert client.get(f"{API}/jobs/{job['id']}/files/{name}").status_code == 404


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unusable_recording"),
        (b"not a recording at all", "unusable_recording"),
        (wav_bytes(0.2), "unusable_recording"),
        (wav_bytes(1.0)[:-20_000], "unusable_recording"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(client, content, code):
    answer = client.post(f"{API}/recordings?name=take.wav", content=content)
    assert error(answer) == (422, code)
    message = answer.json()["error"]["message"]
    assert "take.wav" in message
    assert "/" not in message
    assert client.get(f"{API}/recordings").json()["recordings"] == []


def test_silence_fails_with_a_reason(client):
    silent = client.post(f"{API}/recordings?name=quiet.wav", content=wav_bytes(peak=0.0)).json()
    (job,) = run(client, silent)
    assert job["state"] == "failed"
    assert job["failure"]["code"] == "unusable_recording"
    assert "quiet.wav has no voice" in job["failure"]["message"]


def test_limits_hold_while_a_recording_comes(make_client, tmp_path):
    client = make_client(max_upload_bytes=50_000, max_seconds=1.5)
    sent = []

    def endless():
        for _ in range(1000):
            sent.append(1)
            yield b"x" * 10_000

    assert error(client.post(f"{API}/recordings", content=endless())) == (413, "too_large")
    assert error(client.post(f"{API}/recordings", content=b"x" * 60_000)) == (413, "too_large")
    small = wav_bytes(2.0, sample_rate=8000)
    assert error(client.post(f"{API}/recordings", content=small)) == (413, "too_long")
    assert not list((tmp_path / "data").rglob("*.part"))
    assert not list((tmp_path / "data" / "recordings").iterdir())


def test_a_full_queue_says_when_to_come_back(make_client, song, monkeypatch):
    client = make_client(queue_length=2)
    monkeypatch.setattr(client.app.state.service.store, "claim", lambda: None)
    recording = client.post(f"{API}/recordings", content=song).json()
    body = {"recording_id": recording["id"], "variations": 2}
    assert client.post(f"{API}/jobs", json=body).status_code == 202
    answer = client.post(f"{API}/jobs", json=body)
    assert error(answer) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) > 0


def test_a_full_disk_is_told(client, song, monkeypatch):
    monkeypatch.setattr(client.app.state.service.folder, "free_bytes", lambda: 1000)
    assert error(client.post(f"{API}/recordings", content=song)) == (507, "no_room")


def test_recordings_tell_how_many_takes_they_have(client, recording, song):
    other = client.post(f"{API}/recordings", content=song).json()
    assert recording["num_takes"] == 0
    run(client, recording, variations=2)
    finished(client, client.post(f"{API}/recordings/{other['id']}/analyze").json()["id"])
    (job,) = run(client, recording, num_steps=3)
    client.delete(f"{API}/jobs/{job['id']}")
    listed = client.get(f"{API}/recordings").json()["recordings"]
    assert {r["id"]: r["num_takes"] for r in listed} == {recording["id"]: 2, other["id"]: 0}
    assert client.get(f"{API}/recordings/{recording['id']}").json()["num_takes"] == 2


def test_jobs_are_cancelled_and_deleted(client, recording, tmp_path):
    (done,) = run(client, recording)
    assert error(client.post(f"{API}/jobs/{done['id']}/cancel")) == (409, "job_over")
    assert client.delete(f"{API}/jobs/{done['id']}").status_code == 204
    assert error(client.get(f"{API}/jobs/{done['id']}")) == (404, "not_found")
    assert not list((tmp_path / "data" / "results").iterdir())


def test_deleting_a_recording_deletes_everything_of_it(client, recording, tmp_path):
    run(client, recording)
    assert client.delete(f"{API}/recordings/{recording['id']}").status_code == 204
    assert client.get(f"{API}/jobs").json() == {"jobs": []}
    assert not list((tmp_path / "data" / "results").iterdir())
    assert not list((tmp_path / "data" / "recordings").iterdir())


def test_events_tell_a_job_to_its_end(client, recording):
    answer = client.post(f"{API}/jobs", json={"recording_id": recording["id"]})
    job_id = answer.json()["jobs"][0]["id"]
    with client.stream("GET", f"{API}/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    events = [block.split("\n") for block in text.split("\n\n") if block.startswith("event")]
    jobs = [json.loads(event[1].removeprefix("data: ")) for event in events]
    assert events[-1][0] == "event: over"
    assert jobs[-1]["state"] == "done"
    progress = [job["progress"] for job in jobs]
    assert progress == sorted(progress)


def test_what_has_expired_is_deleted_and_the_rest_kept(make_client, song):
    client = make_client(keep_days=1.0)
    service = client.app.state.service
    old = client.post(f"{API}/recordings", content=song).json()
    (job,) = run(client, old)
    assert service.delete_expired() == 0
    day = 86_400
    with service.store._writing() as connection:
        connection.execute("UPDATE recordings SET created = created - ?", (2 * day,))
    assert service.delete_expired() == 0, "its job is fresh"
    with service.store._writing() as connection:
        connection.execute("UPDATE jobs SET finished = finished - ?", (2 * day,))
    new = client.post(f"{API}/recordings", content=song).json()
    assert service.delete_expired() == 1
    assert [r["id"] for r in client.get(f"{API}/recordings").json()["recordings"]] == [new["id"]]
    assert not service.folder.result(job["id"]).exists()


def test_metrics_count(client, recording):
    run(client, recording)
    text = client.get(f"{API}/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['banso_jobs_ended_total{state="done"}'] == "1"
    assert values['banso_jobs{state="done"}'] == "1"
    assert values["banso_job_seconds_count"] == "1"
    assert int(values["banso_uploaded_bytes_total"]) == recording["size_bytes"]
    assert values["banso_workers_alive"] == "1"
    buckets = [int(v) for k, v in values.items() if k.startswith("banso_job_seconds_bucket")]
    assert buckets == sorted(buckets)


def test_health_and_options(client):
    wait_until(lambda: client.get(f"{API}/health").json()["status"] == "ok")
    options = client.get(f"{API}/options").json()
    assert options["styles"] == client.get(f"{API}/styles").json()["styles"]
    assert options["formats"] == ["wav", "flac", "mp3"]
    assert options["can_guide"] is True


def test_guidance_that_the_network_has_learned_cannot_be_changed(client, recording):
    service = client.app.state.service
    folded = SamplerConfig(guidance_folded=True, guidance_scale=2.0)
    service.about = dataclasses.replace(service.about, sampler=folded)
    assert client.get(f"{API}/options").json()["can_guide"] is False
    body = {"recording_id": recording["id"], "guidance_scale": 3.0}
    assert error(client.post(f"{API}/jobs", json=body)) == (422, "invalid_option")
    assert client.get(f"{API}/jobs").json()["jobs"] == []
    run(client, recording, guidance_scale=2.0)


def test_nobody_is_told_of_before_it_happened(client, recording):
    begun = time.time() - 1
    (job,) = run(client, recording)
    assert begun < job["created"] <= job["started"] <= job["finished"] <= time.time()
