"""Have a service make a band: python http_client.py [VOICE] (after `banso serve`)."""

# pip install httpx
import json
import os
import sys
from pathlib import Path

import httpx

HERE = Path(__file__).parent
ADDRESS = os.environ.get("BANSO_ADDRESS", "http://127.0.0.1:8000")
VOICE = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "vocal.flac"


def refuse_errors(answer: httpx.Response) -> None:
    """End with the service's own words if it refuses a request."""
    if answer.is_error:
        sys.exit(json.loads(answer.read())["error"]["message"])


with httpx.Client(
    base_url=f"{ADDRESS}/api/v1",
    headers={"Authorization": f"Bearer {os.environ.get('BANSO_TOKEN', 'none')}"},
    event_hooks={"response": [refuse_errors]},
    timeout=60,
) as client:
    sound = VOICE.read_bytes()
    recording = client.post("/recordings", params={"name": VOICE.name}, content=sound).json()
    asked = {"recording_id": recording["id"], "seed": 7}
    job = client.post("/jobs", json=asked).json()["jobs"][0]
    with client.stream("GET", f"/jobs/{job['id']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                job = json.loads(line.removeprefix("data: "))
                print(f"{job['state']} {job['progress']:.0%}")
    for file in job["result"]["files"]:
        target = HERE / f"http-{file['name']}"
        target.write_bytes(client.get(f"{ADDRESS}{file['url']}").content)
