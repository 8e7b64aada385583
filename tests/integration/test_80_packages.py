"""etc/packages, by which etc/quickstart and tests/run install what is missing: with commands that only say what they
were asked for in the places of apt-get, dpkg-query, sudo and id."""
import shutil
import subprocess

import pytest

from harness.daemon import ROOT, patience

APT = 'echo "apt-get $*" >>"$SAID"; case " $* " in *"$APT_FAILS"*) seq 9 | sed "s/^/E: /" >&2; exit 100 ;; esac'
COMMANDS = {
    "dpkg-query": 'case " $INSTALLED " in *" ${@: -1} "*) echo "install ok installed" ;; *) exit 1 ;; esac',
    "apt-get": APT,
    "sudo": 'echo sudo >>"$SAID"; exec "$@"',
    "id": "echo $USER_ID",
}


@pytest.fixture
def need(tmp_path):
    """need(packages..., without=commands that aren't there, **variables): (exit code, what was run, stderr)."""
    def run(*packages, without=(), user=0, installed="one two", apt_fails="nothing"):
        path, said = tmp_path / "bin", tmp_path / "said"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        said.write_text("")
        for name in ("bash", "cat", "env", "grep", "sed", "seq", "tail"):
            (path / name).symlink_to(shutil.which(name))
        for name, body in COMMANDS.items():
            if name not in without:
                (path / name).write_text(f"#!{path}/bash\n{body}\n")
                (path / name).chmod(0o755)
        script = 'set -euo pipefail; . etc/packages; need_packages "$@"'
        result = subprocess.run([path / "bash", "-c", script, "-", *packages], cwd=ROOT, text=True,
                                capture_output=True, timeout=patience(30),
                                env={"PATH": str(path), "SAID": str(said), "INSTALLED": installed,
                                     "APT_FAILS": apt_fails, "USER_ID": str(user)})
        return result.returncode, said.read_text().splitlines(), result.stderr
    return run


INSTALL = ["apt-get -qq update", "apt-get -qq install -y --no-install-recommends three four"]


def test_nothing_is_run_when_nothing_is_missing(need):
    assert need("one", "two", user=1000, without=("sudo",)) == (0, [], "")


def test_root_needs_no_sudo(need):
    assert need("one", "three", "two", "four", without=("sudo",)) == (0, INSTALL, "")


def test_others_take_it(need):
    assert need("one", "three", "two", "four", user=1000) == (0, ["sudo", INSTALL[0], "sudo", INSTALL[1]], "")


def test_without_sudo_it_says_what_is_missing(need):
    code, said, told = need("one", "three", "four", user=1000, without=("sudo",))
    assert (code, said) == (1, [])
    assert told == "missing Debian packages: install sudo, or as root: apt-get install three four\n"


@pytest.mark.parametrize("step", ["update", "install"])
def test_what_cannot_be_installed(need, step):
    code, said, told = need("three", "four", apt_fails=f" {step} ")
    assert code == 1 and said == INSTALL[:1 if step == "update" else 2]
    assert told == ("E: 6\nE: 7\nE: 8\nE: 9\n"
                    "the packages couldn't be installed; that takes Debian 12 and the network\n")


def test_elsewhere_than_on_debian(need):
    for missing in ("apt-get", "dpkg-query"):
        code, said, told = need("three", "four", without=(missing,))
        assert (code, said) == (1, []) and told.startswith("there is no apt-get here") and "three four" in told
