"""Members that lie in a folder of their own on ``sys.path``, one file each, used from the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.server.inputs import many_lines, write
from tests.support import RealServer, run_cli

TYPE = '''
"""HyperLogLogs: PFADD {key} {value}."""

from dataclasses import dataclass, replace

from etl.encode.one_command import OneCommandType
from etl.encode.resp.command import command
from etl.encode.strategies.commands import CommandsEncoder


@dataclass(frozen=True)
class ToyEncoder(CommandsEncoder):
    """Lives here alone: a worker that is sent one finds this file."""


class HyperLogLogType(OneCommandType):
    options = ("value",)

    def command(self, mapping):
        return command("PFADD", mapping.key, mapping.value)

    def encoder(self, mapping):
        return ToyEncoder((self.command(mapping),))


TYPE = HyperLogLogType()
'''

DEPLOYMENT = '''
"""toy:PORT, a server on this machine."""

import contextlib
from dataclasses import dataclass

from etl.sink.address import parse_address
from etl.sink.deployments.standalone import StandaloneTarget

SCHEMES = {"toy:": "PORT"}
NOUN = "a toy"
OPTIONS = ()


@dataclass(frozen=True)
class ToyTarget(StandaloneTarget):
    """Lives here alone: a worker that is sent one finds this file."""


@contextlib.contextmanager
def open(url, options):
    yield ToyTarget(parse_address("redis://127.0.0.1:" + url.removeprefix("toy:")), named=url)
'''

RUNNER = '''
"""Shards in the calling process, one after the other."""

from etl.report import Counters
from etl.worker.run_shard import run_shard

MAX_WORKERS = None
OPTIONS = ()


def suits(workers):
    return False


def open(options, workers):
    return ToyRunner()


class ToyRunner:
    def counters(self, workers):
        return Counters([0] * Counters.size(workers), workers)

    def run(self, plan, counters, signals):
        return [run_shard(plan, worker, counters, signals) for worker in range(plan.workers)]
'''

VERB = '''
"""The verb toy: counts the keys of a server."""

from etl.options import TargetOptions, Value, option, options_class
from etl.report import Report

HELP = "count the keys of a server"
COUNTS = ("read",)


@options_class
class ToyOptions(TargetOptions):
    """Where to count, and what."""

    TITLE = "toy options"

    pattern: str = option(default="*", help="which keys", value=Value(metavar="GLOB"), shown="all")


OPTIONS = ToyOptions


def run(options, sources):
    import redis

    with redis.Redis.from_url(options.url()) as client:
        count = sum(len(client.keys(pattern)) for pattern in sources or [options.pattern])
    return Report(
        verb="toy", status="complete", job=None, target=options.url(), records={"read": count},
        bytes=0, seconds=0.0, workers=(),
    )
'''

LINES = many_lines(3_000)


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on PYTHONPATH with a type, a deployment, a runner and a verb, each called toy."""
    for shelf, text in {
        "encode/types": TYPE,
        "sink/deployments": DEPLOYMENT,
        "run/runners": RUNNER,
        "verbs": VERB,
    }.items():
        folder = tmp_path / "elsewhere" / "etl" / shelf
        folder.mkdir(parents=True)
        (folder / "toy.py").write_text(text)
    path = [str(tmp_path / "elsewhere"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


def loaded(file: Path, *options: str) -> dict[str, Any]:
    ended = run_cli("load", file, "--key", "seen", "--progress", "none", "--json", *options)
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


@pytest.mark.usefixtures("toys")
def test_a_type_a_deployment_and_a_runner_are_one_file_each(real_server: RealServer, tmp_path: Path) -> None:
    file = write(tmp_path / "lines.txt", LINES)
    everywhere = ("--as", "toy", "--to", f"toy:{real_server.port}", "--workers", "2", "--split", "record")
    client = real_server.client()
    for runner in ((), ("--runner", "toy")):
        client.flushall()
        report = loaded(file, *everywhere, *runner)
        assert report["records"] == {"read": 3_000, "written": 3_000, "skipped": 0, "rejected": 0}
        assert (report["target"], len(report["workers"])) == (f"toy:{real_server.port}", 2)
        assert client.pfcount("seen") == pytest.approx(3_000, rel=0.05)

    said = run_cli("load", file, *everywhere, "--score", "{#}").stderr
    assert said == "redis-etl: --score has no effect with --as toy: it is for --as zset\n"
    said = run_cli("load", file, *everywhere, "--user", "me").stderr
    assert said.startswith("redis-etl: --user has no effect with a toy: it is for redis")
    help = run_cli("load", "--help").stdout
    assert "--as hash|json|list|set|stream|string|toy|zset" in help
    assert "--runner inline|processes|ray|toy" in help


@pytest.mark.usefixtures("toys")
def test_a_verb_is_one_file_with_its_help_its_options_and_what_it_does(real_server: RealServer) -> None:
    real_server.client().mset({"a:1": "x", "a:2": "x", "b:1": "x"})
    assert re.search(r"    toy +count the keys of a server\n", run_cli("--help").stdout)
    help = run_cli("toy", "--help").stdout
    assert "target options:" in help
    assert "toy options:\n  --pattern GLOB" in help
    assert "--key" not in help

    ended = run_cli("toy", "--to", real_server.url, "--pattern", "a:*")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "2 read")
    ended = run_cli("toy", "b:*", "--to", real_server.url, "--json")
    assert json.loads(ended.stdout)["records"] == {"read": 1}

    ended = run_cli("toy", "--pattrn", "a:*")
    says = "redis-etl: toy has no option --pattrn; did you mean --pattern? (see redis-etl toy --help)\n"
    assert (ended.returncode, ended.stderr) == (2, says)
    ended = run_cli("toi")
    says = "redis-etl: there is no command 'toi'; did you mean toy? (see redis-etl --help)\n"
    assert (ended.returncode, ended.stderr) == (2, says)
