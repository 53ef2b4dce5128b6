"""Real processes: killed in the middle, asked by many at once, stopped and started again.

The small bundle makes no music, but its networks really run.
"""

import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from web_service import API, end, is_running, running_server, wait_until

pytestmark = pytest.mark.slow

# Long enough, in steps of the sampler, to be hit in the middle.
LONG = {"num_steps": 150, "seed": 1}


@pytest.fixture
def data_folder(tmp_path):
    return tmp_path / "data"


def submit(server, recording, **body):
    answer = server.post("/jobs", {"recording_id": recording, **body})
    return [job["id"] for job in answer["jobs"]]


def job(server, job_id):
    return server.get(f"/jobs/{job_id}")


def finished(server, job_id, seconds=120):
    return wait_until(
        lambda: (j := job(server, job_id))["state"] in ("done", "failed", "cancelled") and j,
        seconds,
    )


def halfway(server, job_id):
    return wait_until(lambda: 0.01 < job(server, job_id)["progress"] < 1, 60)


def content(server, job_id):
    url = job(server, job_id)["result"]["files"][0]["url"]
    return httpx.get(server.url + url).content


def test_a_killed_worker_is_replaced_and_its_job_done(data_folder):
    with running_server(data_folder) as server:
        recording = server.upload(20.0)
        (job_id,) = submit(server, recording, **LONG)
        halfway(server, job_id)
        (pid,) = server.worker_pids()
        end(pid)
        done = finished(server, job_id)
        assert (done["state"], done["attempts"]) == ("done", 2)
        (undisturbed,) = submit(server, recording, **LONG)
        finished(server, undisturbed)
        assert content(server, job_id) == content(server, undisturbed)
        assert server.worker_pids() != [pid]
        assert not list(data_folder.rglob("*.part"))


def test_a_killed_server_loses_nothing(data_folder):
    with running_server(data_folder) as server:
        recording = server.upload(20.0)
        (done,) = submit(server, recording, seed=5, num_steps=2)
        assert finished(server, done)["state"] == "done"
        before = content(server, done)
        running, waiting = submit(server, recording, variations=2, **LONG)
        halfway(server, running)
        workers = server.worker_pids()
        server.kill()
        wait_until(lambda: not any(is_running(pid) for pid in workers), 10)
        server.start()
        assert content(server, done) == before
        ends = {job_id: finished(server, job_id)["state"] for job_id in (running, waiting)}
        assert ends == {running: "done", waiting: "done"}
        assert job(server, running)["attempts"] == 2
        assert len(server.get("/jobs")["jobs"]) == 3
        assert not list(data_folder.rglob("*.part"))


def test_a_result_that_was_written_but_not_noted_is_found(data_folder):
    with running_server(data_folder) as server:
        (job_id,) = submit(server, server.upload(), num_steps=2)
        finished(server, job_id)
        before = content(server, job_id)
        server.kill()
        # As if the kill had come between the rename of the folder and the note of it.
        with sqlite3.connect(data_folder / "banso.sqlite3") as connection:
            connection.execute("UPDATE jobs SET state = 'running', result = NULL, finished = NULL")
        connection.close()
        server.start()
        found = job(server, job_id)
        assert (found["state"], found["attempts"]) == ("done", 1)
        assert content(server, job_id) == before


def test_a_polite_stop_is_no_failure_and_blames_no_job(data_folder):
    with running_server(data_folder) as server:
        (job_id,) = submit(server, server.upload(20.0), **LONG)
        halfway(server, job_id)
        workers = server.worker_pids()
        assert server.stop() == 0
        assert not any(is_running(pid) for pid in workers)
        server.start()
        assert finished(server, job_id)["attempts"] == 1


def test_a_running_job_is_cancelled_soon_and_its_worker_lives(data_folder):
    with running_server(data_folder) as server:
        recording = server.upload(20.0)
        (job_id,) = submit(server, recording, **LONG)
        halfway(server, job_id)
        workers = server.worker_pids()
        begun = time.monotonic()
        server.post(f"/jobs/{job_id}/cancel", {})
        assert finished(server, job_id)["state"] == "cancelled"
        assert time.monotonic() - begun < 5
        assert server.worker_pids() == workers


def test_kills_at_any_moment_lose_nothing(data_folder):
    """Be it while a recording, a job or a result is written: all are accounted for."""
    chance = random.Random(6)
    with running_server(data_folder, "--workers", "2") as server:
        recordings, jobs = [], []
        for number in range(4):
            recordings.append(server.upload(3.0))
            jobs += submit(server, recordings[-1], variations=2, num_steps=25, seed=number)
            jobs.append(server.post(f"/recordings/{recordings[-1]}/analyze", {})["id"])
            time.sleep(chance.uniform(0.0, 1.5))
            end(chance.choice(server.worker_pids()))
            time.sleep(chance.uniform(0.0, 0.5))
            server.kill()
            server.start()
        ends = {job_id: finished(server, job_id) for job_id in jobs}
        listed = server.get("/jobs?limit=1000")["jobs"]
        assert {job["id"] for job in listed} == set(jobs)
        assert {r["id"] for r in server.get("/recordings")["recordings"]} == set(recordings)
        for ended in ends.values():
            # A job that was hit twice is given up, and says so.
            if ended["state"] == "failed":
                assert ended["failure"]["code"] == "worker_died"
                assert ended["attempts"] == 2
                continue
            assert ended["state"] == "done"
            for file in ended["result"]["files"]:
                assert len(httpx.get(server.url + file["url"]).content) == file["size_bytes"]
        assert sum(ended["state"] == "done" for ended in ends.values()) >= len(jobs) // 2
        assert not list(data_folder.rglob("*.part"))
        kept = {path.name for path in (data_folder / "results").iterdir()}
        assert kept == {job_id for job_id, ended in ends.items() if ended["state"] == "done"}


def test_two_servers_do_not_share_a_folder(data_folder, tmp_path):
    with (
        running_server(data_folder),
        pytest.raises(AssertionError, match="the server ended"),
        running_server(data_folder),
    ):
        pass
    assert "another banso" in (tmp_path / "server.log").read_text()


def test_two_hundred_clients_poll_while_eight_jobs_run(data_folder):
    """No answer but 200, and 429 for what does not fit into the queue; no job is lost."""
    with running_server(data_folder, "--workers", "2", "--queue-length", "8") as server:
        recording = server.upload(5.0)
        jobs = submit(server, recording, variations=8, num_steps=40)
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        refused = []

        def poll(number):
            statuses = []
            for _ in range(5):
                path = f"/jobs/{jobs[number % 8]}" if number % 4 else "/jobs"
                statuses.append(client.get(path).status_code)
            if number % 20 == 0:
                body = {"recording_id": recording, "num_steps": 2, "variations": 8}
                refused.append(client.post("/jobs", json=body))
            return statuses

        with (
            httpx.Client(base_url=server.url + API, limits=limits, timeout=60) as client,
            ThreadPoolExecutor(200) as pool,
        ):
            statuses = [status for polled in pool.map(poll, range(200)) for status in polled]
        assert len(statuses) == 1000
        assert set(statuses) == {200}
        assert {answer.status_code for answer in refused} <= {202, 429}
        taken = [j["id"] for a in refused if a.status_code == 202 for j in a.json()["jobs"]]
        ends = [finished(server, job_id)["state"] for job_id in [*jobs, *taken]]
        assert set(ends) == {"done"}
        assert len(server.get("/jobs?limit=1000")["jobs"]) == len(ends)
