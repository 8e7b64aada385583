"""The proxies of docs/operating.md, as it shows them: TLS outside, d-back inside, the viewer's own address on both sides."""
import asyncio
import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from harness.client import Client, run
from harness.control import Control
from harness.daemon import ROOT, _die_with_parent, patience, wait_until
from harness.plugins import full

GUIDE = (ROOT / "docs/operating.md").read_text()
HOST = "localhost"  # in the place of zone.example.org


def example(language):
    (block,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.S)
    return block


def replaced(text, *pairs):
    """Every piece has to be there: an example that has changed is looked at anew."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, str(new))
    return text


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", folder / "privkey.pem",
                    "-out", folder / "fullchain.pem"], check=True, capture_output=True)


def nginx(folder, port, inside):
    certificate(folder)
    site = replaced(example("nginx"), ("listen 443", f"listen 127.0.0.1:{port}"), ("listen [::]:443", f"listen [::1]:{port}"),
                    ("http://127.0.0.1:3000", f"http://127.0.0.1:{inside}"),
                    ("/etc/letsencrypt/live/zone.example.org", folder), ("zone.example.org", HOST))
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;\n"
                                       f"events {{ worker_connections 200; }}\nhttp {{ access_log off;\n{places}{site}}}\n")
    return ["nginx", "-p", folder, "-c", folder / "nginx.conf"], folder / "fullchain.pem"


def caddy(folder, port, inside):
    site = replaced(example("caddy"), ("zone.example.org", f"{HOST}:{port}"), ("127.0.0.1:3000", f"127.0.0.1:{inside}"))
    (folder / "Caddyfile").write_text("{\n admin off\n local_certs\n skip_install_trust\n auto_https disable_redirects\n"
                                      f" storage file_system {folder}/store\n}}\n{site}")
    root = folder / "store/pki/authorities/local/root.crt"
    return ["caddy", "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"], root


PROXIES = {"nginx": nginx, "caddy": caddy}


class Proxy:
    def __init__(self, name, folder, inside):
        self.port = free_port()
        words, self.root = PROXIES[name](folder, self.port, inside)
        self.output = open(folder / "output", "w+")
        self.process = subprocess.Popen(list(map(str, words)), stdout=self.output, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent,
                                        env={"PATH": "/usr/sbin:/usr/bin:/bin", "HOME": str(folder)})

    def context(self):
        return ssl.create_default_context(cafile=str(self.root))

    def answers(self):
        if self.process.poll() is not None:
            self.output.seek(0)
            raise AssertionError("the proxy has ended: " + self.output.read()[-2000:])
        try:
            return self.get("/api/version")[0] == 200
        except (OSError, ssl.SSLError):
            return False

    def get(self, path):
        """(status, headers, body)"""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience(20)) as plain, \
                self.context().wrap_socket(plain, server_hostname=HOST) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nConnection: close\r\nAccept: text/html\r\n\r\n".encode())
            data = b"".join(iter(lambda: tls.recv(65536), b""))
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}, body

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=patience(20))
        self.output.close()


@pytest.fixture(params=PROXIES)
def proxied(request, start, tmp_path):
    """(a daemon as the guide configures it, the proxy in front of it)"""
    if not shutil.which(request.param, path="/usr/sbin:/usr/bin"):
        pytest.skip(f"Debian's package {request.param} isn't there")
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<title>mine</title>")
    trusted = json.loads(re.search(r"^trusted_proxies = (\[.*\]);$", GUIDE, re.M)[1])
    daemon = start(providers=[full("a")], trusted_proxies=trusted, static_dir=str(site))
    proxy = Proxy(request.param, tmp_path, daemon.port)
    wait_until(proxy.answers, "the proxy")
    yield daemon, proxy
    proxy.close()


def test_a_viewer_behind_the_proxy(proxied):
    daemon, proxy = proxied

    async def scene():
        client = await Client.open(daemon, address=("127.0.0.1", proxy.port), ssl=proxy.context(), server_hostname=HOST)
        await client.expect("server-list")
        await client.ask()
        await client.expect("server-join")
        (seen,) = (await asyncio.to_thread(Control(daemon).get, "/v1/clients")).json["clients"]
        assert seen["peer"] == "127.0.0.1" and seen["state"] == "joined"
        body = {"uid": "u1", "message": "through the proxy", "channel": "1"}
        assert (await asyncio.to_thread(Control(daemon).post, "/v1/servers/full/messages", body)).status == 200
        await client.expect("message")
        assert await client.close() == 1000
    run(scene())


def test_browsers_are_sent_to_the_address_that_they_see(proxied):
    """The index of a page of one's own leads to wss:// on the proxy's name and port."""
    _, proxy = proxied
    status, headers, _ = proxy.get("/")
    assert status in (302, 307), (status, headers)
    assert "socketURL=wss%3A%2F%2F" + f"{HOST}%3A{proxy.port}" in headers["location"] or \
        f"socketURL=wss://{HOST}:{proxy.port}" in headers["location"], headers["location"]


def test_a_proxy_that_is_not_believed(proxied):
    """Without trusted_proxies the proxy's word counts for nothing: the guide doesn't name it for nothing."""
    daemon, proxy = proxied
    daemon.reload(trusted_proxies=[])
    _, headers, _ = proxy.get("/")
    assert "wss" not in headers["location"]


def test_a_stop_reaches_viewers_as_such(proxied):
    daemon, proxy = proxied

    async def scene():
        client = await Client.open(daemon, address=("127.0.0.1", proxy.port), ssl=proxy.context(), server_hostname=HOST)
        await client.expect("server-list")
        daemon.terminate()
        assert await client.close_code() == 1001
    run(scene())
    daemon.ended(0)
