import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from headrace.certs.authority import Authority
from headrace.clock import Clock


@pytest.fixture
def run(tmp_path):
    """Runs `headrace certs ...` for a user of its own."""

    def certs(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "headrace", "certs", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(tmp_path), "HEADRACE_HOME": str(tmp_path / "state")},
        )

    return certs


@pytest.fixture
def certutil():
    if shutil.which("certutil") is None:
        reason = "certutil is missing: apt install libnss3-tools"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def test_ca_prints_the_path_alone(run, tmp_path):
    done = run("ca")
    assert done.stdout == f"{tmp_path}/state/certs/ca.pem\n"
    assert done.returncode == 0
    assert json.loads(run("ca", "--json").stdout) == {"ca": f"{tmp_path}/state/certs/ca.pem"}


def test_leaf_prints_certificate_and_key(run):
    done = run("leaf", "blog.test", "10.0.0.7")
    certificate, key = done.stdout.split()
    assert certificate.endswith("/blog.test.pem")
    assert key.endswith("/blog.test-key.pem")


def test_list_tells_what_there_is_for_which_names(run):
    run("leaf", "blog.test", "10.0.0.7", "--label", "blog")
    lines = run().stdout.splitlines()
    assert lines[0].split() == ["LABEL", "UNTIL", "CERTIFICATE", "FOR"]
    assert [line.split()[0] for line in lines[1:]] == ["ca", "blog"]
    assert lines[2].endswith("blog.test, 10.0.0.7")
    assert [entry["names"] for entry in json.loads(run("list", "--json").stdout)] == [[], ["blog.test", "10.0.0.7"]]


def test_list_warns_of_an_authority_that_is_about_to_end(run, tmp_path):
    run("ca")
    assert "ends on" not in run("list").stderr
    shutil.rmtree(tmp_path / "state" / "certs")
    Authority(tmp_path / "state" / "certs", Clock(wall=lambda: time.time() - 3640 * 86400.0))
    assert "ends on" in run("list").stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["leaf"], "at least one name"),
        (["leaf", "example.com"], "can't sign for example.com"),
        (["leaf", "a b"], "not a host name"),
        (["ca", "x"], "takes no names"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_usage_is_one_clear_line(run, arguments, says):
    done = run(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_trust_is_idempotent_and_can_be_taken_back(run, tmp_path, certutil):
    for _ in range(2):
        done = run("trust")
        assert done.returncode == 0, done.stderr
        assert f"trusted in {tmp_path}/.pki/nssdb" in done.stdout
        assert "curl --cacert" in done.stderr
    assert held(tmp_path) == 1
    assert json.loads(run("trust", "--remove", "--json").stdout)["removed"] == [f"{tmp_path}/.pki/nssdb"]
    assert held(tmp_path) == 0


def test_a_database_with_a_password_is_told_and_never_waited_for(run, tmp_path, certutil):
    (tmp_path / "password").write_text("secret\n")
    folder = tmp_path / ".pki" / "nssdb"
    folder.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "-f", tmp_path / "password"], check=True)
    done = run("trust")
    assert done.returncode == 1
    assert "password" in done.stderr
    assert f"try it by hand: certutil -d sql:{folder}" in done.stderr


def test_trust_without_certutil_says_what_to_do(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("trust")
    assert done.returncode == 1
    assert "libnss3-tools" in done.stderr
    assert "curl --cacert" in done.stderr


def held(home):
    """How many certificates of ours the user's database has."""
    listing = subprocess.run(
        ["certutil", "-L", "-d", f"sql:{home}/.pki/nssdb"], capture_output=True, text=True, check=False
    )
    return listing.stdout.count("headrace authority")
