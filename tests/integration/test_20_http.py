"""HTTP on the same port: the table of the protocol, and what any web server is expected to do."""
import json
import os
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.client import join, run, still_serves
from harness.daemon import mock, plugin
from harness.wire import dial, exchange, http, read_to_end

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FILES = {
    "index.html": ("text/html", b"<!doctype html><title>site</title>"),
    "app.js": ("javascript", b"export const a = 1;"),
    "app.mjs": ("javascript", b"export const b = 2;"),
    "style.css": ("text/css", b"body { }"),
    "data.json": ("application/json", b"{}"),
    "code.wasm": ("application/wasm", b"\0asm\1\0\0\0"),
    "icon.svg": ("image/svg+xml", b"<svg/>"),
    "font.woff2": ("font/woff2", b"wOF2"),
    "app.webmanifest": ("application/manifest+json", b"{}"),
    "pic.png": ("image/png", b"\x89PNG"),
    "UPPER.PNG": ("image/png", b"\x89PNG"),
    "robots.txt": ("text/plain", b"User-agent: *\n"),
    "favicon.ico": ("icon", b"\0\0\1\0"),
    "unknown.zzz": ("application/octet-stream", b"?"),
    "noext": ("application/octet-stream", b"?"),
    "sub/page.html": ("text/html", b"<p>sub</p>"),
    "sub/index.html": ("text/html", b"<p>sub index</p>"),
    "with space.txt": ("text/plain", b"space"),
    "\u00fcml\u00e4ut.txt": ("text/plain", b"umlaut"),
    "empty.txt": ("text/plain", b""),
    "big.bin": ("application/octet-stream", bytes(range(256)) * 4096 * 3),
}
SECRET = b"not one byte of this may ever leave"


def quoted(name):
    return "/" + "".join(c if c.isalnum() and c.isascii() or c in "/._-" else "".join(f"%{b:02x}" for b in c.encode())
                         for c in name)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A site with secrets around it: beside it, above it, and behind links."""
    place = tmp_path_factory.mktemp("place")
    site = place / "site"
    for name, (_, content) in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    (place / "secret.txt").write_bytes(SECRET)
    (place / "site-sibling").mkdir()
    (place / "site-sibling" / "secret.txt").write_bytes(SECRET)
    (site / "link.txt").symlink_to(place / "secret.txt")
    (site / "relative.txt").symlink_to("../secret.txt")
    (site / "linkdir").symlink_to(place)
    (site / ".hidden").write_bytes(SECRET)
    (site / ".git").mkdir()
    (site / ".git" / "config").write_bytes(SECRET)
    os.mkfifo(site / "fifo")
    (site / "empty-folder").mkdir()
    return place


@pytest.fixture(scope="module")
def served(place, tmp_path_factory):
    from harness.daemon import Daemon
    daemon = Daemon(tmp_path_factory.mktemp("http"), static_dir=str(place / "site"), announce_socket_url=False).start()
    yield daemon
    daemon.close()


# ---------------------------------------------------------------------- the table


def test_version(daemon):
    for path in ("/api/version", "/api/version?x=1"):
        answer = http(daemon, path)
        assert answer.status == 200 and answer.type.startswith("application/json")
        assert set(json.loads(answer.body)) == {"version"}


@pytest.mark.parametrize("path", ["/", "/index.html", "/?a=b", "/index.html?socketURL=ws://x/", "/?"])
def test_the_built_in_page(daemon, path):
    answer = http(daemon, path, headers=HTML)
    assert answer.status == 200 and answer.type.startswith("text/html")
    assert b"D-Back WebSocket Server" in answer.body


@pytest.mark.parametrize("name", FILES)
def test_files_and_their_types(served, name):
    kind, content = FILES[name]
    answer = http(served, quoted(name))
    assert answer.status == 200 and answer.body == content
    assert kind in answer.type, answer.type
    if answer.type.startswith("text/html"):
        assert "charset=utf-8" in answer.type.lower().replace(" ", "")
    assert answer.headers.get("x-content-type-options", "nosniff") == "nosniff"


def test_a_folder_means_its_index(served):
    assert http(served, "/sub/").body == FILES["sub/index.html"][1]


@pytest.mark.parametrize("path", ["/nothing", "/nothing.html", "/sub/nothing", "/api/nothing", "/api", "/fifo",
                                  "/empty-folder/", "/empty-folder", "/index.html/", "/index.html/x", "/" + "a" * 3000])
def test_not_found(served, path):
    answer = http(served, path, headers=HTML)
    assert answer.status == 404 and answer.type.startswith("text/html"), answer.raw[:200]


def test_what_was_asked_for_is_not_echoed_raw(served):
    answer = http(served, "/%3Cscript%3Ealert(1)%3C/script%3E", headers=HTML)
    assert answer.status in (403, 404) and b"<script>alert" not in answer.body


TRICKS = [
    "/../secret.txt", "/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/.%2e/secret.txt", "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt", "/sub/../../secret.txt", "/sub/%2e%2e/%2e%2e/secret.txt", "//secret.txt",
    "/..//secret.txt", "/./../secret.txt", "/..\\secret.txt", "/..%5csecret.txt", "/%5c..%5csecret.txt",
    "/link.txt", "/relative.txt", "/linkdir/secret.txt", "/linkdir/", "/linkdir/site-sibling/secret.txt",
    "/../site-sibling/secret.txt", "-sibling/secret.txt", "/-sibling/secret.txt", "/%2e%2e/site-sibling/secret.txt",
    "/%252e%252e/secret.txt", "/%c0%ae%c0%ae/secret.txt", "/..%c0%afsecret.txt", "/..;/secret.txt",
    "/secret.txt%00.html", "/index.html%00/../../secret.txt", "/.hidden", "/.git/config", "/%2ehidden", "/.//.hidden",
    "//etc/passwd", "/etc/passwd", "///etc/passwd", "/%2fetc/passwd", "/%2f%2fetc%2fpasswd", "http:///etc/passwd",
    "http://localhost/../secret.txt", "/proc/self/environ", "/sub//../../secret.txt", "/..", "/.", "/%2e%2e", "/../..",
    "/\x7f../secret.txt", "/sub/%2e/%2e%2e/%2e%2e/secret.txt", "?/../secret.txt", "*", "..", "../secret.txt",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_from_outside_the_folder(served, place, trick):
    absolute = trick.replace("/etc/passwd", str(place / "secret.txt"))
    for path in (trick, absolute):
        for method in ("GET", "HEAD"):
            answer = http(served, path, method=method)
            assert answer.status in (400, 403, 404), (path, answer.raw[:200])
            assert SECRET not in answer.raw and b"root:" not in answer.raw, path


def test_links_that_stay_inside_are_served(served, place):
    (place / "site" / "inside.txt").symlink_to("robots.txt")
    assert http(served, "/inside.txt").body == FILES["robots.txt"][1]


def test_a_site_that_is_replaced_by_renaming_is_seen(start, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    (tmp_path / "one").rename(tmp_path / "now")
    daemon = start(static_dir=str(tmp_path / "now"))
    assert http(daemon, "/index.html").body == b"one"
    (tmp_path / "now").rename(tmp_path / "before")
    (tmp_path / "two").rename(tmp_path / "now")
    daemon.reloaded()
    assert http(daemon, "/index.html").body == b"two"


# ---------------------------------------------------------------------- methods


@pytest.mark.parametrize("path", ["/", "/api/version", "/app.js", "/nothing", "/big.bin"])
def test_head_is_get_without_the_body(served, path):
    get, head = http(served, path), http(served, path, method="HEAD")
    assert head.status == get.status and head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))
    for name in ("content-type", "etag", "last-modified"):
        assert head.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/version", "/nothing"])
def test_other_methods_are_405(served, method, path):
    answer = http(served, path, method=method)
    assert answer.status == 405
    assert {m.strip() for m in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


def test_a_body_that_nobody_asked_for(served):
    answer = exchange(served, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    assert answer.status == 405
    answer = exchange(served, b"GET /app.js HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                              b"5\r\nhello\r\n0\r\n\r\n")
    assert answer.status in (400, 501)


def test_two_requests_in_a_packet_smuggle_nothing(served):
    both = b"GET /app.js HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    with dial(served) as sock:
        sock.sendall(both)
        raw = read_to_end(sock)
    assert raw.startswith(b"HTTP/1.1 200") and raw.count(b"export const a") in (1, 2)


def test_http_1_0(served):
    assert http(served, "/app.js", host=None, minor=0).body == FILES["app.js"][1]
    assert http(served, "/app.js", host=None).status == 400


# ---------------------------------------------------------------------- caches and ranges


@pytest.mark.parametrize("path", ["/app.js", "/", "/big.bin"])
def test_etag_and_304(served, path):
    first = http(served, path)
    tag = first.headers["etag"]
    assert tag.strip('"') and "cache-control" in first.headers and "last-modified" in first.headers
    for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = http(served, path, headers={"If-None-Match": condition})
        assert again.status == 304 and again.headers["etag"] == tag, condition
    assert http(served, path, headers={"If-None-Match": '"other"'}).status == 200
    modified = first.headers["last-modified"]
    assert http(served, path, headers={"If-Modified-Since": modified}).status == 304
    assert http(served, path, headers={"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}).status == 200
    assert http(served, path, headers={"If-Modified-Since": "yesterday"}).status == 200
    both = {"If-None-Match": '"other"', "If-Modified-Since": modified}
    assert http(served, path, headers=both).status == 200, "If-None-Match counts before the date"


def test_a_changed_file_has_another_etag(served, place):
    file = place / "site" / "changes.txt"
    file.write_text("one")
    first = http(served, "/changes.txt")
    fresh = place / "site" / "changes.new"
    fresh.write_text("two")
    fresh.replace(file)
    second = http(served, "/changes.txt", headers={"If-None-Match": first.headers["etag"]})
    assert second.status == 200 and second.body == b"two"


@pytest.mark.parametrize("asked,first,last", [
    ("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-10", -10, None),
    ("bytes=0-99999999999", 0, None), ("bytes=-99999999999", 0, None), ("bytes=3000000-3000001", 3000000, 3000001)])
def test_ranges(served, asked, first, last):
    content = FILES["big.bin"][1]
    answer = http(served, "/big.bin", headers={"Range": asked})
    begin = first % len(content) if first < 0 else first
    end = len(content) - 1 if last is None else last
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {begin}-{end}/{len(content)}"
    assert answer.body == content[begin:end + 1]


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=3145728-", "bytes=-0"])
def test_a_range_beyond_the_end(served, asked):
    answer = http(served, "/big.bin", headers={"Range": asked})
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(FILES['big.bin'][1])}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes", "lines=1-2", "bytes=a-b", "bytes=", "bytes=--1",
                                   "bytes=1-2-3", "bytes=99999999999999999999999-"])
def test_a_range_that_is_none(served, asked):
    answer = http(served, "/big.bin", headers={"Range": asked})
    assert answer.status in (200, 416)
    assert answer.status == 416 or answer.body == FILES["big.bin"][1]


def test_if_range(served):
    tag = http(served, "/big.bin").headers["etag"]
    assert http(served, "/big.bin", headers={"Range": "bytes=0-1", "If-Range": tag}).status == 206
    assert http(served, "/big.bin", headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status == 200


def test_several_ranges_give_something_whole(served):
    answer = http(served, "/big.bin", headers={"Range": "bytes=0-1,5-6"})
    assert answer.status == 200 and answer.body == FILES["big.bin"][1]


# ---------------------------------------------------------------------- static overrides


@pytest.fixture
def overriding(start, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("from a file of the provider")
    return start(providers=[plugin("full", tag="a", users=2, static_path=str(own)), mock()])


def test_an_override_gives_bytes_or_a_file(overriding):
    answer = http(overriding, "/override.txt")
    assert answer.status == 200 and answer.body
    assert http(overriding, "/override.txt?with=query").body == answer.body
    again = http(overriding, "/override.txt", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304
    assert http(overriding, "/override.txt", method="HEAD").headers["content-length"] == str(len(answer.body))
    answer = http(overriding, "/file.txt")
    assert answer.status == 200 and answer.body == b"from a file of the provider"
    assert http(overriding, "/file.txt", headers={"Range": "bytes=0-3"}).body == b"from"


def test_what_is_not_overridden_serves_on(overriding):
    assert http(overriding, "/").status == 200
    assert http(overriding, "/missing.txt").status == 404
    assert json.loads(http(overriding, "/api/version").body)["version"]


@pytest.mark.parametrize("mode", ["error_all", "pass_all"])
def test_a_failing_override_shadows_nothing(start, mode):
    daemon = start(providers=[mock(), plugin("misbehave", mode=mode)], routes={"static": ["misbehave", "mock"]})
    assert http(daemon, "/").status == 200
    assert json.loads(http(daemon, "/api/version").body)["version"]
    assert http(daemon, "/nothing").status == 404


# ---------------------------------------------------------------------- telling the page where its socket is


@pytest.fixture(scope="module")
def announcing(place, tmp_path_factory):
    from harness.daemon import Daemon
    daemon = Daemon(tmp_path_factory.mktemp("announce"), static_dir=str(place / "site"),
                    trusted_proxies=["127.0.0.0/8"]).start()
    yield daemon
    daemon.close()


def socket_url(answer):
    assert answer.status == 302, answer.raw[:300]
    location = urlsplit(answer.headers["location"])
    arguments = dict(parse_qsl(location.query, keep_blank_values=True))
    return location.path, arguments.pop("socketURL"), arguments


@pytest.mark.parametrize("path,host,headers,expected", [
    ("/", "play.example:3000", {}, ("/", "ws://play.example:3000/", {})),
    ("/index.html", "localhost:3000", {}, ("/index.html", None, {})),
    ("/?room=5&x=", "localhost:3000", {}, ("/", "ws://localhost:3000/", {"room": "5", "x": ""})),
    ("/", "inner:1", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "zone.example"},
     ("/", "wss://zone.example/", {})),
    ("/", "inner:1", {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "zone.example:8080"},
     ("/", "ws://zone.example:8080/", {})),
    ("/", "inner:1", {"X-Forwarded-Proto": "https"}, ("/", "wss://inner:1/", {}))])
def test_a_browser_is_told_its_socket(announcing, path, host, headers, expected):
    path, url, others = socket_url(http(announcing, path, host=host, headers={**HTML, **headers}))
    assert path == expected[0] and others == expected[2]
    assert expected[1] in (None, url) and url.startswith("ws")


def test_the_redirect_leads_to_the_page(announcing):
    location = http(announcing, "/?a=1", headers=HTML).headers["location"]
    target = urlsplit(location)
    answer = http(announcing, f"{target.path}?{target.query}", headers=HTML)
    assert answer.status == 200 and answer.body == FILES["index.html"][1]
    url = dict(parse_qsl(target.query))["socketURL"]

    async def scene():
        client, _, _ = await join(announcing, path=urlsplit(url).path)
        client.drop()
    run(scene())


@pytest.mark.parametrize("path,headers", [
    ("/?socketURL=ws://elsewhere/", HTML), ("/?x=1&socketURL=", HTML), ("/", {}), ("/", {"Accept": "*/*"}),
    ("/", {"Accept": "application/json"}), ("/sub/page.html", HTML), ("/app.js", HTML)])
def test_others_are_not_redirected(announcing, path, headers):
    assert http(announcing, path, headers=headers).status == 200


@pytest.mark.parametrize("field,value", [
    ("X-Forwarded-Host", 'evil"><script>'), ("X-Forwarded-Host", "a b"), ("X-Forwarded-Host", "x/../y"),
    ("X-Forwarded-Host", "a@b"), ("X-Forwarded-Proto", "javascript")])
def test_a_forwarded_field_that_makes_no_sense(announcing, field, value):
    answer = http(announcing, "/", host="good:1", headers={**HTML, field: value})
    assert answer.status in (200, 302, 400) and value.encode() not in answer.raw
    if answer.status == 302:
        assert socket_url(answer)[1].startswith(("ws://good:1/", "wss://good:1/"))


def test_who_is_not_trusted_is_not_believed(start, place):
    daemon = start(static_dir=str(place / "site"), trusted_proxies=["192.0.2.0/24"])
    forged = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    assert socket_url(http(daemon, "/", host="good:1", headers={**HTML, **forged}))[1] == "ws://good:1/"


def test_the_built_in_page_is_not_redirected(daemon):
    assert http(daemon, "/", headers=HTML).status == 200


def test_it_can_be_switched_off(served):
    assert http(served, "/", headers=HTML).body == FILES["index.html"][1]


# ---------------------------------------------------------------------- without HTTP


def test_http_false_leaves_the_websocket(start):
    daemon = start(http=False)
    for path in ("/", "/api/version", "/nothing"):
        answer = http(daemon, path, headers=HTML)
        assert answer.status == 426 and answer.headers["upgrade"].lower() == "websocket"

    async def scene():
        client, _, _ = await join(daemon, path="/ws")
        client.drop()
        await still_serves(daemon)
    run(scene())
