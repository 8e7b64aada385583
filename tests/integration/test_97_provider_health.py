"""How providers say that they are (report_health), as the operator sees it: everywhere, and without turning viewers away."""
import json
import subprocess

import pytest

from harness.client import join, run
from harness.control import Control
from harness.daemon import BIN, plugin, wait_until
from harness.plugins import full

OK, DEGRADED, DOWN = range(3)


class Patient:
    """The file that moves unwell.so."""

    def __init__(self, folder, name="health"):
        self.path = folder / name
        self.path.write_text("0\n")

    def says(self, state, text=""):
        new = self.path.with_suffix(".new")
        new.write_text(f"{state}\n{text}\n")
        new.rename(self.path)

    def __str__(self):
        return str(self.path)


@pytest.fixture
def patient(tmp_path):
    return Patient(tmp_path)


def unwell(patient, name="unwell"):
    return plugin("unwell", name, health=str(patient))


def health_of(control, name="unwell"):
    (provider,) = [p for p in control.get("/v1/providers").json["providers"] if p["name"] == name and p["current"]]
    return provider["health"]


def reaches(control, state, why):
    return wait_until(lambda: (h := health_of(control))["state"] == state and h["why"] == why and h, f"{state}: {why}")


def states(control, name="unwell"):
    """The one that is 1."""
    now = control.metrics()
    values = {state: now[f'dback_provider_health{{provider="{name}",state="{state}"}}'] for state in ("ok", "degraded", "down")}
    assert sorted(values.values()) == [0, 0, 1], values
    return max(values, key=values.get)


def ctl(daemon, *words, code=0):
    done = subprocess.run([str(BIN.parent / "d-backctl"), "--socket", daemon.control_socket, *words], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_provider_is_well_until_it_says_otherwise(start, patient):
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    for name in ("full", "unwell"):
        assert {**health_of(control, name), "stateSeconds": 0} == {"state": "ok", "why": "", "stateSeconds": 0}
        assert health_of(control, name)["stateSeconds"] < 3600
        assert states(control, name) == "ok"
    for path in ("/v1/status", "/readyz"):
        assert control.get(path).json["unwell"] == []
    for words in (("status",), ("providers",)):
        assert "unwell is" not in ctl(daemon, *words) and "degraded" not in ctl(daemon, *words)


def test_it_is_seen_everywhere(start, patient):
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    sentence = "the feed is late by an hour; start the feeder"
    patient.says(DEGRADED, sentence)
    reaches(control, "degraded", sentence)
    assert states(control) == "degraded" and states(control, "full") == "ok"
    for path in ("/v1/status", "/readyz"):
        (one,) = control.get(path).json["unwell"]
        assert one["name"] == "unwell" and one["health"]["state"] == "degraded" and one["health"]["why"] == sentence
    for words in (("status",), ("providers",), ("health",)):
        shown = ctl(daemon, *words)
        assert "unwell is degraded for" in shown and sentence in shown, shown
        assert "full is" not in shown
    assert "unwell=1" in ctl(daemon, "top", "--count", "1", "--interval", "0.1")
    look = json.loads(ctl(daemon, "top", "--count", "1", "--interval", "0.1", "--json"))
    assert look["unwell"][0]["name"] == "unwell"
    patient.says(OK)
    reaches(control, "ok", "")
    assert states(control) == "ok" and control.get("/v1/status").json["unwell"] == []
    assert "unwell is" not in ctl(daemon, "status")


def test_viewers_are_not_turned_away(start, patient):
    """What is down says so; the house is ready and healthy all the same."""
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    patient.says(DOWN, "the token was refused")
    reaches(control, "down", "the token was refused")
    ready, healthy = control.get("/readyz"), control.get("/healthz")
    assert (ready.status, ready.json["ready"]) == (200, True) and (healthy.status, healthy.json["healthy"]) == (200, True)
    assert ready.json["unwell"][0]["health"]["state"] == "down"

    async def scene():
        client, _, _ = await join(daemon)
        client.drop()
    run(scene())
    ctl(daemon, "health")


def test_since_when_counts_from_the_change_of_the_state(start, patient):
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    patient.says(DEGRADED, "one")
    reaches(control, "degraded", "one")
    wait_until(lambda: health_of(control)["stateSeconds"] > 0.3, "some time")
    patient.says(DEGRADED, "two")
    assert reaches(control, "degraded", "two")["stateSeconds"] > 0.3


def test_numbers_and_texts_that_are_none(start, patient):
    """An unknown state counts as degraded; a terminal isn't moved by the sentence, a label isn't broken."""
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    patient.says(77, 'odd \x1b[2J "quoted" \\ back')
    wait_until(lambda: health_of(control)["state"] == "degraded", "it is degraded")
    assert states(control) == "degraded"
    for words in (("status",), ("providers",)):
        shown = ctl(daemon, *words)
        assert "\x1b" not in shown and "quoted" in shown


def test_a_new_instance_is_well(start, patient, tmp_path):
    daemon = start(providers=[full("a"), unwell(patient)])
    control = Control(daemon)
    patient.says(DOWN, "broken")
    reaches(control, "down", "broken")
    other = Patient(tmp_path, "other")
    assert control.post("/v1/providers/unwell/swap", {"options": {"health": str(other)}}).status == 200
    assert health_of(control)["state"] == "ok" and states(control) == "ok"
    assert control.get("/v1/status").json["unwell"] == []
