"""`d-backctl plugin`, run to its end."""
import json
import subprocess

from .daemon import BIN, check_reports, environment, patience

TOOL = [str(BIN.parent / "d-backctl"), "plugin"]


def _environment():
    """Strict string checks read on behind a strndup()'s length, which is what the checks forbid."""
    env = environment()
    if env.get("ASAN_OPTIONS"):
        env["ASAN_OPTIONS"] += ":strict_string_checks=0"
    return env


def tool(*args, timeout=120, **options):
    """The result has returncode, stdout and stderr as text."""
    result = subprocess.run([*TOOL, *map(str, args)], text=True, capture_output=True, timeout=patience(timeout),
                            env=_environment(), stdin=subprocess.DEVNULL, **options)
    check_reports(result.stderr)
    assert result.returncode in (0, 1, 2), result
    return result


def check(*args, code=None, **options):
    """The JSON document of `plugin check`, with its checks by their names."""
    result = tool("check", "--json", *args, **options)
    assert code is None or result.returncode == code, result
    document = json.loads(result.stdout)
    document["checks"] = {c["name"]: c for c in document["checks"]}
    assert result.returncode == (1 if document["failed"] else 0), document
    return document


def failures(document):
    """The failed checks with their sentences."""
    return {name: [f["text"] for f in c["failures"]] for name, c in document["checks"].items() if c["failures"]}
