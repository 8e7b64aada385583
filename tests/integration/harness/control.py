"""The operator's side of a daemon: its HTTP API over the unix socket, or over TCP with the token."""
import http.client
import json
import socket

from .daemon import patience


class Answer:
    """Status, headers (names in lower case) and body of one answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def type(self):
        return self.headers.get("content-type", "")

    @property
    def json(self):
        assert self.type in ("application/json", "application/problem+json"), (self.type, self.body)
        return json.loads(self.body)

    @property
    def problem(self):
        """The sentence of a problem, whose form is checked."""
        assert self.type == "application/problem+json", (self.status, self.type, self.body)
        problem = self.json
        assert problem["status"] == self.status and problem["type"] == "about:blank", problem
        assert problem["title"] and problem["detail"], problem
        return problem["detail"]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=None):
        super().__init__("d-back", timeout=timeout or patience(60))
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(connection, method, path, body=None, headers=None):
    """One request on an open connection. A dict becomes JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection.request(method, path, body=body, headers=headers)
    return Answer(connection.getresponse())


class Control:
    """control.get("/v1/status").json"""

    def __init__(self, daemon, path=None):
        self.path = path or daemon.control_socket

    def ask(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.path)
        try:
            return request(connection, method, path, body, headers)
        finally:
            connection.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.ask("PUT", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        answer = self.get("/metrics")
        assert answer.status == 200, answer.body
        samples = {}
        for line in answer.body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                assert name not in samples, f"{name} stands there twice"
                samples[name] = float(value)
        return samples
