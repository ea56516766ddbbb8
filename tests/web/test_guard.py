"""Each rule of the guard, by a request that breaks it."""

import asyncio

import pytest

from mmasc.web.keys import Keys

MEDIA = ["audio", "picture"]


def test_other_hosts_are_refused(server):
    for host in ("evil.example", "evil.example:8617", "127.0.0.1", "127.0.0.1:80", "", "localhost:8618"):
        assert server.client.get("/api/health", headers={"Host": host}).status_code == 421, host
        assert server.client.get("/", headers={"Host": host}).status_code == 421, host
    for host in ("127.0.0.1:8617", "localhost:8617", "[::1]:8617"):
        assert server.client.get("/api/health", headers={"Host": host}).status_code == 200, host


def test_other_pages_are_refused(server):
    for origin in ("http://evil.example", "https://127.0.0.1:8617", "null", "http://127.0.0.1:8618"):
        for method, path in (("GET", "/api/health"), ("POST", "/api/session"), ("DELETE", "/api/annotations")):
            assert server.client.request(method, path, headers={"Origin": origin}).status_code == 403, origin
    assert server.client.post("/api/session", headers={"Origin": "http://localhost:8617"}).status_code == 204
    for site in ("cross-site", "same-site"):
        assert server.client.get("/api/health", headers={"Sec-Fetch-Site": site}).status_code == 403
        assert server.client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert server.client.get("/api/health", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_requests_without_the_token_are_refused(server):
    paths = [route["path"] for route in _routes(server)]
    assert len(paths) > 25
    for route in _routes(server):
        path = route["path"].replace("{recording}", "1").replace("{key}", "a").replace("{position}", "1")
        for headers in ({}, {"X-Mmasc": server.keys.token[:-1]}, {"X-Mmasc": server.keys.cookie}):
            answer = server.stranger.request(route["method"], path, headers=headers)
            assert answer.status_code == 403, (route, headers)
            assert answer.json().keys() == {"error"}


def _routes(server):
    schema = server.client.get("/api/schema.json").json()
    return [{"path": path, "method": method.upper()} for path, methods in schema["paths"].items() for method in methods]


def test_the_cookie_opens_media_and_the_map_and_nothing_else(server):
    answer = server.client.post("/api/session")
    said = answer.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    name, value = said.partition(";")[0].split("=", 1)
    assert server.keys.token not in said
    recording = server.client.get("/api/recordings").json()["recordings"][0]["id"]
    cookie = {"Cookie": f"{name}={value}"}
    for path in (f"/api/recordings/{recording}/audio", f"/api/recordings/{recording}/picture", "/api/map"):
        assert server.stranger.get(path).status_code == 403
        assert server.stranger.get(path, headers=cookie).status_code == 200
        assert server.stranger.get(path, headers={"Cookie": f"{name}={value}x"}).status_code == 403
    for path in ("/api/health", "/api/recordings", f"/api/recordings/{recording}", "/api/annotations"):
        assert server.stranger.get(path, headers=cookie).status_code == 403
    assert server.stranger.post("/api/search", json={}, headers=cookie).status_code == 403


def test_bodies_have_a_length_a_limit_and_a_kind(server):
    post = server.client.post
    assert post("/api/search", content=iter([b"{}"])).status_code == 411
    json = {"Content-Type": "application/json"}
    assert post("/api/search", content=b"x" * 8_000_001, headers=json).status_code == 413
    assert post("/api/uploads", content=b"x" * 21_000_001, headers=json).status_code == 413
    assert post("/api/search", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert (
        post("/api/search", content=b"{}", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code
        == 415
    )
    assert post("/api/uploads", content=b"{}", headers=json).status_code == 415
    assert server.client.request("PUT", "/api/annotations").status_code == 405
    assert server.client.request("TRACE", "/api/health").status_code == 405


def test_every_answer_has_the_headers(server):
    answers = [
        server.client.get("/api/health"),
        server.client.get("/"),
        server.client.get("/nothing"),
        server.stranger.get("/api/health"),
        server.client.post("/api/search", json={"x": 1}),
        server.client.get("/api/health", headers={"Host": "evil.example"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/app/../app.py",
        "/app/..%2fapp.py",
        "/app/%2e%2e/state.py",
        "/app/..\\app.py",
        "/app/.hidden.js",
        "/app/x.py",
        "//etc/passwd",
        "/app//etc/passwd",
        "/app/%00.js",
    ],
)
def test_no_path_leads_out_of_the_page(server, path):
    answer = server.client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize("name", ["..", "../m.csv", "%2e%2e%2fm.csv", "a", "-1", "1e3", "9" * 30, "١", "1;2", "0x10"])
def test_ids_are_numbers_and_never_paths(server, name):
    for rest in ("", "/audio", "/picture", "/overview", "/timeline?text=a"):
        assert server.client.get(f"/api/recordings/{name}{rest}").status_code in (404, 422), (name, rest)


def test_websockets_are_closed(server):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    asyncio.run(server.client.app({"type": "websocket", "headers": [], "path": "/api/health"}, receive, send))
    assert [one["type"] for one in sent] == ["websocket.close"]


def test_secrets_are_new_at_every_start():
    keys = [Keys(8617) for _ in range(20)]
    assert len({one.token for one in keys} | {one.cookie for one in keys}) == 40
    assert all(len(one.token) >= 22 for one in keys)  # 128 bits in base 64
