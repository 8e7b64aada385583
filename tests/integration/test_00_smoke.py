"""Does it live at all? When these fail, nothing after them matters."""
import json
import re

from harness.client import Client, join, run
from harness.daemon import run_to_end
from harness.mockdata import SERVER_LIST, USERS
from harness.wire import http


def test_starts_and_listens_where_it_says(start):
    daemon = start()
    assert daemon.host == "127.0.0.1" and daemon.port > 0
    assert http(daemon, "/api/version").status == 200


def test_version_is_the_same_everywhere(daemon):
    answer = http(daemon, "/api/version")
    version = json.loads(answer.body)["version"]
    assert answer.type.startswith("application/json")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version), version
    assert version in run_to_end("--version").stdout


def test_a_viewer_gets_the_list_and_joins(daemon):
    async def scene():
        client, servers, data = await join(daemon)
        assert servers == SERVER_LIST
        assert data["users"] == USERS["dworld"]
        assert await client.close() == 1000
    run(scene())


def test_sigterm_closes_with_1001_and_exit_code_0(start):
    daemon = start()

    async def scene():
        watching, _, _ = await join(daemon)
        listening = await Client.open(daemon)
        await listening.expect("server-list")
        daemon.process.terminate()
        assert await watching.close_code() == 1001
        assert await listening.close_code() == 1001
    run(scene())
    daemon.ended(0)


def test_sigint_ends_it_the_same_way(start):
    daemon = start()

    async def scene():
        watching, _, _ = await join(daemon)
        daemon.process.send_signal(2)
        assert await watching.close_code() == 1001
    run(scene())
    daemon.ended(0)


def test_starts_again_on_the_same_port(start):
    daemon = start()
    port = daemon.port
    daemon.close()
    again = start(port=port)
    assert again.port == port
    assert http(again, "/api/version").status == 200
