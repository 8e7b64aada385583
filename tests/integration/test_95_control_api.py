"""docs/control-api.yaml and the daemon say the same: each route, each answer, each request."""
import json
import re
import subprocess

import pytest

from harness.client import join, run
from harness.control import Control, UnixConnection
from harness.daemon import ROOT, plugin, wait_until
from harness.plugins import full

yaml = pytest.importorskip("yaml", reason="Debian's package python3-yaml isn't there")
API = yaml.safe_load((ROOT / "docs/control-api.yaml").read_text())
METHODS = ("get", "post", "put", "delete")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern", "minimum", "maximum",
         "minLength", "maxLength", "description", "default", "examples", "format", "$ref"}


def resolved(node):
    while "$ref" in node:
        target = API
        for piece in node["$ref"].removeprefix("#/").split("/"):
            target = target[piece]
        node = target
    return node


def is_of(value, kind):
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def validate(value, schema, where="$"):
    """The part of JSON Schema that the document uses; what it doesn't know, it refuses."""
    schema = resolved(schema)
    assert set(schema) <= KNOWN, f"{where}: {set(schema) - KNOWN}"
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(is_of(value, kind) for kind in kinds), f"{where} is {value!r}, not {kinds}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where} is {value!r}, not one of {schema['enum']}"
    if "const" in schema:
        assert value == schema["const"], where
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), f"{where} is {value!r}, not like {schema['pattern']}"
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where} has no {missing}"
        for name, member in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            assert inner is not False, f"{where} has an unknown member {name!r}"
            if isinstance(inner, dict):
                validate(member, inner, f"{where}.{name}")
    if isinstance(value, list):
        for number, element in enumerate(value):
            validate(element, schema.get("items", {}), f"{where}[{number}]")


def documented():
    return {(method.upper(), path) for path, item in API["paths"].items() for method in METHODS if method in item}


def test_every_reference_leads_somewhere():
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                resolved(node)
            for member in node.values():
                walk(member)
        elif isinstance(node, list):
            for member in node:
                walk(member)
    walk(API)
    assert API["openapi"].startswith("3.1")
    used = set(re.findall(r"#/components/\w+/(\w+)", (ROOT / "docs/control-api.yaml").read_text()))
    defined = {name for kind in ("schemas", "responses", "parameters") for name in API["components"][kind]}
    assert used == defined, used ^ defined
    operations = [API["paths"][p][m.lower()] for m, p in documented()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    assert all(o["summary"].endswith((".", "?")) and "default" in o["responses"] for o in operations)


def test_the_routes_are_those_of_the_document():
    source = (ROOT / "core/control/routes.c").read_text()
    routes = set(re.findall(r'\{ "([A-Z]+)", "(/[^"]*)", \w+ \}', source))
    assert routes == documented()


def test_only_the_documented_methods_are_taken(daemon):
    control = Control(daemon)
    for path in API["paths"]:
        asked = path.replace("{id}", "1").replace("{name}", "nobody")
        taken = {m for m, p in documented() if p == path}
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            if method in taken:
                continue
            answer = control.ask(method, asked)
            assert answer.status == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == taken
            validate(answer.json, API["components"]["schemas"]["Problem"])


class Checked(Control):
    """Holds each request and answer against the document."""

    def __init__(self, daemon):
        super().__init__(daemon)
        self.seen = set()

    def operation(self, method, path):
        path = path.split("?")[0]
        for template, item in API["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if method.lower() in item and re.fullmatch(pattern, path):
                return template, item[method.lower()]
        raise AssertionError(f"{method} {path} isn't in the document")

    def ask(self, method, path, body=None, headers=None):
        template, operation = self.operation(method, path)
        answer = super().ask(method, path, body, headers)
        if isinstance(body, dict) and answer.status < 400:
            content = resolved(operation["requestBody"])["content"]["application/json"]
            validate(body, content["schema"], f"{method} {template} request")
        response = operation["responses"].get(str(answer.status), operation["responses"]["default"])
        content = resolved(response).get("content", {})
        kind = answer.type.split(";")[0]
        if content:
            assert kind in content, f"{method} {template}: {answer.status} {kind}"
        else:
            assert not answer.body
        if kind.endswith("json"):
            validate(answer.json, content[kind]["schema"], f"{method} {template} {answer.status}")
        self.seen.add((method, template, answer.status))
        return answer


def test_every_answer_is_as_documented(start):
    """A daemon with some life in it is asked everything, in good and bad ways."""
    daemon = start(providers=[full("a", token="s3cret"), plugin("full", "other", tag="b")],
                   trusted_proxies=["10.0.0.0/8"])
    control = Checked(daemon)

    async def life():
        client, _, _ = await join(daemon)
        for path in ("/healthz", "/readyz", "/metrics", "/v1/status", "/v1/config", "/v1/providers", "/v1/clients",
                     "/v1/clients?limit=1", "/v1/servers", "/v1/servers?limit=1", "/v1/servers/full/users",
                     "/v1/servers/locked/users", "/v1/log-level"):
            assert control.get(path).status == 200, path
        for path, body in (("messages", {"uid": "u1", "message": "hi", "channel": "1"}),
                           ("presence", {"uid": "u1", "status": "dnd", "roleColor": "#ABCDEF"}),
                           ("presence", {"uid": "u2", "delete": True}), ("client-id", {"clientId": "1"})):
            assert control.post(f"/v1/servers/full/{path}", body).status == 200, path
        for path, body in (("messages", {"uid": "nobody", "message": "hi", "channel": "1"}),
                           ("presence", {"uid": "nobody", "delete": True})):
            assert control.post(f"/v1/servers/full/{path}", body).status == 409, path
        for path in ("messages", "presence", "client-id"):
            assert control.post(f"/v1/servers/full/{path}", {}).status == 400
        assert control.post("/v1/providers/full/swap", {"options": {"tag": "c"}}).status == 200
        assert control.post("/v1/providers/full/swap", {"options": {"nothing": 1}}).status == 409
        assert control.post("/v1/providers/nobody/swap").status == 404
        daemon.write_config(workers=2)
        assert control.post("/v1/reload").status == 200
        assert "pending" in json.dumps(control.get("/v1/config").json)
        daemon.write_text("x = 1;")
        assert control.post("/v1/reload").status == 409
        assert control.put("/v1/log-level", {"level": "warn"}).status == 200
        assert control.put("/v1/log-level", {"level": "loud"}).status == 400
        number = control.get("/v1/clients").json["clients"][0]["id"]
        assert control.delete(f"/v1/clients/{number}").status == 204
        assert control.delete("/v1/clients/0").status == 404
        assert control.get("/v1/servers/nope/users").status == 404
        assert control.post("/v1/drain").status == 200
        assert control.get("/readyz").status == 503
        assert control.post("/v1/drain", {"draining": False}).status == 200
        client.drop()
    run(life())
    good = {(method, path) for method, path, status in control.seen if status < 400}
    assert good == documented() - {("GET", "/v1/events")}


def test_the_events_are_as_documented(start):
    daemon = start(providers=[full("a", message_interval=0.01)])
    connection = UnixConnection(daemon.control_socket)
    connection.request("GET", "/v1/events")
    response = connection.getresponse()
    seen = set()

    def take():
        event = json.loads(response.readline())
        validate(event, API["components"]["schemas"]["Event"])
        assert set(event) <= set(API["components"]["schemas"]["Event"]["properties"])
        seen.add(event["type"])
    take()
    control = Control(daemon)

    async def life():
        client, _, _ = await join(daemon)
        for path, body in (("presence", {"uid": "u1", "status": "dnd"}), ("client-id", {"clientId": "1"})):
            control.post(f"/v1/servers/full/{path}", body)
        control.post("/v1/providers/full/swap")
        control.post("/v1/providers/full/swap", {"options": {"nothing": 1}})
        control.post("/v1/drain")
        wanted = {"hello", "viewers", "message", "presence", "update-clientid", "provider", "swap", "swap-failed", "drain"}
        wait_until(lambda: (take(), seen >= wanted)[1], "all of them")
        client.drop()
    run(life())
    connection.close()


def test_d_backctl_knows_the_types_of_events():
    source = (ROOT / "core/ctl/events.c").read_text()
    known = set(re.findall(r'"([a-z-]+)"', re.search(r"event_types\[\] = \{(.*?)NULL", source, re.S)[1]))
    assert known == set(API["components"]["schemas"]["Event"]["properties"]["type"]["enum"])


def test_the_document_is_in_the_documentation():
    """The routes that docs/operating.md shows exist."""
    text = (ROOT / "docs/operating.md").read_text()
    for path in set(re.findall(r"http://d-back(/[a-z0-9/_-]*)", text)):
        assert any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) for template in API["paths"]), path


@pytest.mark.skipif(subprocess.run(["which", "promtool"], capture_output=True).returncode != 0,
                    reason="Debian's package prometheus isn't there")
def test_the_alert_rules_are_good(tmp_path):
    """Those of docs/operating.md."""
    text = (ROOT / "docs/operating.md").read_text()
    rules = re.findall(r"```yaml rules\n(.*?)```", text, re.S)
    assert rules
    for number, rule in enumerate(rules):
        file = tmp_path / f"{number}.yml"
        file.write_text(rule)
        checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def expressions():
    """Those of the dashboard, with its variables filled in."""
    board = json.loads((ROOT / "etc/grafana/d-back.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", ())]
    found += [(a["name"], a["expr"]) for a in board["annotations"]["list"]]
    return [(title, expr.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*"))
            for title, expr in found]


def test_the_dashboard_asks_for_what_there_is(start):
    daemon = start(providers=[full("a")])
    text = Control(daemon).get("/metrics").body.decode()
    assert len(expressions()) > 25
    for title, expr in expressions():
        names = set(re.findall(r"\b(?:dback|process)_[a-z_]+", expr))
        assert names, title
        for name in names:
            assert re.search(rf"^{name}[ {{]", text, re.M), f"{title}: there is no {name}"
        for label, values in re.findall(r'(\w+)=~?"([^"$.]+)"', expr):
            for value in values.split("|"):
                assert f'{label}="{value}"' in text, f"{title}: there is no {label}={value}"
    board = json.loads((ROOT / "etc/grafana/d-back.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(subprocess.run(["which", "promtool"], capture_output=True).returncode != 0,
                    reason="Debian's package prometheus isn't there")
def test_the_dashboard_is_understood(tmp_path):
    rules = [{"record": f"panel_{number}", "expr": expr} for number, (_, expr) in enumerate(expressions())]
    file = tmp_path / "board.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_metrics_of_the_guide_exist(start):
    """Every metric that docs/operating.md names."""
    text = Control(start(providers=[full("a")])).get("/metrics").body.decode()
    guide = (ROOT / "docs/operating.md").read_text()
    for name in set(re.findall(r"\bdback_[a-z_]+[a-z]", guide)):
        assert re.search(rf"^# TYPE {re.sub('_(bucket|count|sum)$', '', name)} ", text, re.M), name
