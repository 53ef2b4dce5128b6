"""Who may ask: host names, pages of other sites, tokens, headers."""

import pytest

from web_service import API


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("192.168.1.20:8000", 200),
        ("band.example", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("", 400),
        ("[", 400),
    ],
)
def test_only_its_own_names_reach_the_service(make_client, host, status):
    client = make_client(hosts=("band.example",))
    answer = client.get(f"{API}/health", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://testserver"}, 201),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver:81"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_pages_of_other_sites_may_change_nothing(make_client, song, headers, status):
    answer = make_client().post(f"{API}/recordings", content=song, headers=headers)
    assert answer.status_code == status


def test_no_other_site_is_let_in(make_client):
    answer = make_client().get(f"{API}/options", headers={"Origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", f"{API}/options", "/static/js/main.js", "/nowhere"])
def test_every_answer_has_the_headers(make_client, path):
    headers = make_client().get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


def test_each_page_has_a_nonce_of_its_own(make_client):
    client = make_client()
    first, second = client.get("/"), client.get("/")
    nonce = first.text.partition('data-nonce="')[2].partition('"')[0]
    assert len(nonce) >= 16
    assert f"'nonce-{nonce}'" in first.headers["content-security-policy"]
    assert nonce not in second.text
    assert "{{" not in first.text


def test_a_token_is_asked_for(make_client):
    client = make_client(token="open sesame")
    assert client.get(f"{API}/health").status_code == 200
    assert client.get("/").status_code == 200
    for path in ("/options", "/jobs", "/metrics", "/recordings", "/events", "/jobs/x/files/y"):
        answer = client.get(API + path)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "token_needed"
    for shown in ("Bearer wrong", "Basic open sesame", "Bearer", "Bearer open sesam\xe9"):
        headers = {"Authorization": shown.encode("latin-1")}
        assert client.get(f"{API}/options", headers=headers).status_code == 401
    headers = {"Authorization": "Bearer open sesame"}
    assert client.get(f"{API}/options", headers=headers).status_code == 200


def test_a_session_stands_for_the_token_and_hides_it(make_client, monkeypatch):
    monkeypatch.setattr("banso.web.routes_system._WRONG_TOKEN_SECONDS", 0)
    client = make_client(token="open sesame")
    wrong = client.post(f"{API}/session", json={"token": "guess work"})
    assert wrong.json()["error"]["code"] == "wrong_token"
    right = client.post(f"{API}/session", json={"token": "open sesame"})
    assert right.status_code == 204
    cookie = right.headers["set-cookie"]
    assert "open" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get(f"{API}/options").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"],
)
def test_nothing_outside_the_static_files_is_served(make_client, path):
    assert make_client().get(path).status_code == 404
