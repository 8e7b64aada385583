"""A crowd that comes and goes while a thousand things happen a second, on four workers: everybody is sent
everything, once, and in order, from the first frame behind its snapshot to the last."""
import re

import pytest

from harness.control import Control
from harness.crowd import Crowd, build
from harness.daemon import pick, plugin, wait_until

SERVERS = 4
# Who naps for some seconds is further behind than this and what the kernel holds for it.
LOG_SIZE = 65536


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("crowd"))


@pytest.fixture
def gather(program):
    crowds = []

    def make(daemon, count, servers):
        crowds.append(Crowd(program, daemon, count, servers))
        return crowds[-1]

    yield make
    for crowd in crowds:
        crowd.close()


def sample(daemon, name):
    return Control(daemon).metrics()[name]


def test_everybody_hears_everything_once(start, gather):
    daemon = start(workers=4, providers=[plugin("clocks", servers=SERVERS, users=1000, rate=1000, pad=400)],
                   limits={"log_size": LOG_SIZE, "slow_client_timeout_ms": 600000})
    crowd = gather(daemon, pick(300, 2000), SERVERS)
    joins, cut, behind = pick((600, 200, 20), (8000, 2000, 400))
    seen = wait_until(lambda: (r := crowd.well())["joins"] >= joins and r["cut"] >= cut and r,
                      "they come and go, and quit in mid-snapshot", 240)
    wait_until(lambda: crowd.well() and sample(daemon, 'dback_limits_reached_total{limit="log_size"}') >= behind,
               "some fall behind", 240)
    ended = crowd.rest(240)
    assert ended["watching"] == crowd.count and ended["joins"] > seen["joins"]


def test_a_stampede_is_one_question(start, gather, workers):
    """All at once, as after a restart, onto a server with thousands of users and hundreds of changes a second: the
    provider is asked once, and nobody misses a change."""
    daemon = start(workers=workers, providers=[plugin("clocks", servers=1, users=5000, rate=1000)])
    crowd = gather(daemon, pick(300, 3000), 1)
    assert crowd.rest(120)["watching"] == crowd.count
    assert sample(daemon, 'dback_provider_calls_total{provider="clocks",capability="users",result="ok"}') == 1


@pytest.mark.parametrize("mistake, complaint", [("skip", r"shows \d*1 after \d*9"), ("repeat", r"says \d*0 again")])
def test_the_crowd_notices(start, gather, mistake, complaint):
    """A lost event, and a doubled one."""
    daemon = start(providers=[plugin("clocks", servers=1, users=3, rate=200, **{mistake: 40})])
    crowd = gather(daemon, 20, 1)
    report = wait_until(lambda: (r := crowd.report())["wrong"] and r, "they notice")
    assert re.search(complaint, report["why"]) and not report["lost"], report
