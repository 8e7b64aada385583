"""Fixtures of the integration tests. See README.md."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.daemon import BIN, PLUGINS, Daemon, check_reports  # noqa: E402


def pytest_sessionstart(session):
    if not BIN.exists():
        pytest.exit(f"there is no {BIN}: build first, or name the binary with D_BACK_BIN", returncode=4)
    if not PLUGINS.is_dir():
        pytest.exit(f"there is no {PLUGINS}: build the test plugins, or name them with D_BACK_TEST_PLUGINS",
                    returncode=4)


def _close_all(daemons):
    problems = []
    for daemon in daemons:
        try:
            daemon.close()
        except AssertionError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture
def start(tmp_path):
    """start(**settings): a running daemon, which is closed and judged when the test ends."""
    daemons = []

    def make(**settings):
        daemon = Daemon(tmp_path / f"daemon{len(daemons)}", **settings)
        daemons.append(daemon)
        return daemon.start()

    yield make
    _close_all(daemons)


@pytest.fixture
def prepare(tmp_path):
    """prepare(**settings): a daemon that is configured but not started, for tests of the start itself."""
    daemons = []

    def make(**settings):
        daemon = Daemon(tmp_path / f"daemon{len(daemons)}", **settings)
        daemons.append(daemon)
        return daemon

    yield make
    _close_all(daemons)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A daemon with the mock's four servers where nothing happens; shared by the tests of one file."""
    daemon = Daemon(tmp_path_factory.mktemp("quiet")).start()
    yield daemon
    _close_all([daemon])


@pytest.fixture
def daemon(quiet):
    """The shared one, judged after each test, so that a failure names the test that caused it."""
    yield quiet
    check_reports("\n".join(quiet.log()))
    assert quiet.alive(), "d-back ended:\n" + quiet.tail()


@pytest.fixture(params=[1, 2], ids=["1worker", "2workers"])
def workers(request):
    return request.param
