"""Plans that shards run: together they load the source, whoever is killed, comes twice, or comes last."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from etl.job.parts import shards_loading
from tests.cases import cases
from tests.fake.loaded import called, report_of
from tests.support import RealServer, data_keys

COUNT = 20_000


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Enough records for a block or more in each of a few shards."""
    path = tmp_path / "people.csv"
    rows = "".join(f"{number},name {number},city {number % 7}\n" for number in range(COUNT))
    path.write_text("id,name,city\n" + rows)
    return path


def plan(csv: Path, server: RealServer, *options: str, job: str = "people") -> Path:
    out = csv.with_name(f"{job}.json")
    done = called(
        "plan",
        csv,
        "--to",
        server.url,
        "--job",
        job,
        "--out",
        out,
        "--shared-path",
        "--progress",
        "none",
        *options,
    )
    assert done.returncode == 0, done.stderr
    return out


def shard(out: Path, which: str, *options: str, code: int = 0) -> dict[str, Any]:
    return report_of("load", "--plan", out, "--shard", which, "--progress", "none", *options, code=code)


def status(server: RealServer, job: str = "people") -> dict[str, Any]:
    return report_of("status", job, "--to", server.url)


def of_all(reports: Sequence[dict[str, Any]], name: str) -> int:
    return sum(report["records"][name] for report in reports)


def test_the_shards_of_a_plan_load_the_source_and_the_last_one_completes_the_job(
    csv: Path, real_server: RealServer
) -> None:
    client = real_server.client()
    out = plan(csv, real_server, "--key", "user:{id}")
    assert not client.keys("*")  # a plan writes nothing, not even for a moment
    reports = []
    for index in (2, 0, 1):
        reports.append(shard(out, f"{index}/3"))
        at = status(real_server)
        assert at["state"] == ("complete" if len(reports) == 3 else "incomplete")
        assert at["records"]["written"] == of_all(reports, "written")
        assert sum(one["state"] == "complete" for one in at["shards"]) == len(reports)
    assert of_all(reports, "read") == of_all(reports, "written") == len(data_keys(client)) == COUNT
    assert report_of("verify", "--plan", out)["records"]["equal"] == COUNT
    parts = [
        report_of("verify", "--plan", out, "--shard", f"{index}/3")["records"]["equal"] for index in range(3)
    ]
    assert sum(parts) == COUNT
    keys: Any = client.keys("etl:*")
    assert {key.partition(b"}")[0] for key in keys} == {b"etl:{people"}  # one slot of a cluster
    assert all(0 < client.pttl(key) <= 30 * 86_400_000 for key in keys)
    text = called("status", "people", "--to", real_server.url).stdout
    assert "complete, 3 of 3 shards complete" in text
    assert text.endswith("20,000 read = 20,000 written + 0 skipped + 0 rejected\n")


def test_a_second_run_of_a_complete_shard_does_nothing_and_says_so(
    csv: Path, real_server: RealServer
) -> None:
    out = plan(csv, real_server, "--command", "INCRBY total 1")
    for _ in range(2):
        for index in range(2):
            shard(out, f"{index}/2")
    assert real_server.client().get("total") == b"%d" % COUNT
    done = called("load", "--plan", out, "--shard", "1/2")
    assert (done.returncode, done.stderr) == (
        0,
        "redis-etl: shard 1 of job people is complete: nothing to do\n",
    )
    assert "in 2 shards, with the same sources and options" in shard(out, "0/4", code=2)["error"]
    shard(out, "0/2", "--restart")
    assert real_server.client().get("total") == b"%d" % (
        COUNT + status(real_server)["shards"][0]["records"]["read"]
    )
    assert status(real_server)["state"] == "complete"


@cases(
    ("options", "left", "skipped"),
    [
        (("--as", "list", "--value", "{id}"), COUNT, 0),
        (("--as", "set", "--value", "{id}", "--if-exists", "merge"), COUNT + 2, 0),
        (("--as", "list", "--value", "{id}", "--if-exists", "skip"), COUNT - COUNT // 7 + 1, COUNT // 7 + 1),
    ],
)
def test_a_pass_over_the_keys_is_made_once_for_all_shards(
    csv: Path, start_server: Any, options: tuple[str, ...], left: int, skipped: int, tmp_path: Path
) -> None:
    server = start_server()
    client = server.client()
    (client.sadd if "set" in options else client.rpush)("c:city 0", "old", "older")
    out = plan(csv, server, "--key", "c:{city}", *options)
    reports = [shard(out, f"{index}/3") for index in range(3)]
    assert of_all(reports, "skipped") == status(server)["records"]["skipped"] == skipped
    lengths = [(client.scard if "set" in options else client.llen)(key) for key in data_keys(client)]
    assert sum(lengths) == left
    if "--if-exists" not in options:
        assert "--restart cannot be for one shard" in shard(out, "0/3", "--restart", code=2)["error"]
        assert report_of("verify", "--plan", out)["records"]["different"] == 0
        assert "leave --shard out" in report_of("verify", "--plan", out, "--shard", "0/3", code=2)["error"]


def test_rejects_of_shards_go_to_files_of_their_own_and_add_up(csv: Path, real_server: RealServer) -> None:
    rows = csv.read_text().splitlines()
    for number in (1, 5_000, 19_999):
        rows[number + 1] += ",one too many"
    csv.write_text("\n".join(rows) + "\n")
    strict = plan(csv, real_server, "--key", "user:{id}", "--max-rejects", "2")
    assert [
        shard(strict, f"{index}/2", "--rejects", str(csv.with_name("r.jsonl")), code=code)["status"]
        for index, code in ((0, 1), (1, 5))
    ] == ["complete", "incomplete"]
    files = sorted(name for name in os.listdir(csv.parent) if name.endswith(".jsonl"))
    assert files == ["r-shard-0.jsonl", "r-shard-1.jsonl"]
    rejected = [
        json.loads(line)["record"] for name in files for line in csv.with_name(name).read_text().splitlines()
    ]
    assert sorted(rejected) == [1, 5_000, 19_999]
    assert status(real_server)["state"] == "incomplete"  # every shard is complete, and the job has too many
    assert status(real_server)["records"]["rejected"] == 3
    assert "3 of 20,000 records of all shards" in shard(strict, "0/2", code=5)["error"]
    plan(csv, real_server, "--key", "user:{id}", "--max-rejects", "0.1%")
    assert shard(strict, "0/2")["records"]["read"] == 0
    assert status(real_server)["state"] == "complete"


def test_a_changed_source_another_plan_and_another_number_of_shards_are_refused(
    csv: Path, real_server: RealServer
) -> None:
    out = plan(csv, real_server, "--key", "user:{id}")
    shard(out, "0/2")
    assert "begun in 2 shards, not 3" in shard(out, "0/3", code=3)["error"]
    assert "begun in 2 shards, and not all" in report_of("load", "--plan", out, code=3)["error"]
    other = plan(csv, real_server, "--key", "other:{id}")
    assert "this plan is another one" in shard(other, "0/2", code=3)["error"]
    assert shard(other, "0/2", "--restart")["records"]["written"]
    shard(other, "1/2")
    csv.write_text(csv.read_text() + "1,2,3\n")
    assert "not what the plan was made from" in shard(other, "1/2", code=3)["error"]
    again = plan(csv, real_server, "--key", "other:{id}")
    assert of_all([shard(again, f"{index}/3") for index in range(3)], "written") == COUNT + 1


def test_a_whole_load_and_shards_of_the_same_job_keep_out_of_each_others_way(
    csv: Path, real_server: RealServer
) -> None:
    client = real_server.client()
    out = plan(csv, real_server, "--key", "user:{id}")
    client.set("etl:{people}:lock", "host process 1/token\n\n")
    assert "being loaded as a whole" in shard(out, "0/2", code=6)["error"]
    client.delete("etl:{people}:lock")
    shard(out, "0/2")
    client.set("etl:{people}:shard:1:lock", "host process 1/token\n\n")
    assert "shard 1 of job people is going on: host process 1" in shard(out, "1/2", code=6)["error"]
    assert status(real_server)["shards"][1] | {"records": 0} == {
        "shard": 1,
        "state": "running",
        "records": 0,
        "bytes": 0,
        "holder": "host process 1",
        "started": None,
        "updated": None,
    }
    assert "1 shard of job people" in report_of("load", "--plan", out, "--restart", code=6)["error"]
    client.hset("etl:{people}:shard:1", "run", "host process 1/token")  # it has joined
    assert "1 shard of job people" in shard(out, "0/4", "--restart", code=6)["error"]
    client.delete("etl:{people}:shard:1")
    client.delete("etl:{people}:shard:1:lock")
    assert report_of("load", "--plan", out, "--restart")["records"]["written"] == COUNT
    assert status(real_server)["shards"] == []
    assert "was completed, as a whole" in shard(out, "0/2", code=2)["error"]


def test_a_job_whose_record_is_gone_begins_anew_with_all_its_shards(
    csv: Path, real_server: RealServer
) -> None:
    out = plan(csv, real_server, "--key", "user:{id}")
    shard(out, "0/2")
    real_server.client().delete("etl:{people}")
    shard(out, "1/2")
    assert [one["state"] for one in status(real_server)["shards"]] == ["waiting", "complete"]
    shard(out, "0/2")
    assert status(real_server)["records"]["read"] == COUNT


def test_shards_that_are_started_together_do_not_wait_for_each_other_to_begin_the_job(
    csv: Path, real_server: RealServer
) -> None:
    client = real_server.client()
    for key in ("user:{id}", "other:{id}"):  # a job's first run, and another after it was complete
        out = plan(csv, real_server, "--key", key)
        client.set("etl:{people}:shard:1:lock", "host process 1/token\n\n")  # started, and not further yet
        shard(out, "0/2")
        client.delete("etl:{people}:shard:1:lock")
        shard(out, "1/2")
        assert status(real_server)["state"] == "complete"


def test_shards_that_are_started_together_with_restart_begin_an_unfinished_job_of_another_plan_anew(
    csv: Path, real_server: RealServer
) -> None:
    client = real_server.client()
    old = plan(csv, real_server, "--key", "user:{id}")
    for index in (0, 1):  # of three
        shard(old, f"{index}/3")
    out = plan(csv, real_server, "--key", "other:{id}")
    client.set("etl:{people}:shard:1:lock", "host process 1/token\n\n")  # started, and not further yet
    shard(out, "0/2", "--restart")
    client.delete("etl:{people}:shard:1:lock")
    shard(out, "1/2", "--restart")
    assert status(real_server)["state"] == "complete"
    assert status(real_server)["records"]["written"] == COUNT


def test_a_shard_that_finds_the_job_begun_while_it_was_about_to_begin_it_joins(
    csv: Path, real_server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = real_server.client()
    out = plan(csv, real_server, "--key", "user:{id}")
    looked: list[Any] = []

    def look(*args: Any) -> Any:
        looked.append(args)
        if len(looked) == 1:
            shard(out, "1/2")
            client.hset("etl:{people}:shard:1", "run", "host process 1/token")  # it goes on
            client.set("etl:{people}:shard:1:lock", "host process 1/token\n\n")
        return shards_loading(*args)

    monkeypatch.setattr("etl.job.shards.shards_loading", look)
    shard(out, "0/2")
    assert len(looked) > 1


def test_a_shard_that_goes_on_though_the_job_s_record_is_gone_keeps_others_from_beginning_it(
    csv: Path, real_server: RealServer
) -> None:
    client = real_server.client()
    out = plan(csv, real_server, "--key", "user:{id}")
    client.hset("etl:{people}:shard:1", "run", "host process 1/token")
    client.set("etl:{people}:shard:1:lock", "host process 1/token\n\n")
    assert "are still running" in shard(out, "0/2", code=6)["error"]


def test_a_plan_keeps_no_password_and_a_shard_takes_it_from_where_it_runs(
    csv: Path, real_server: RealServer
) -> None:
    real_server.client().config_set("requirepass", "s3cr3t")
    address = f"127.0.0.1:{real_server.port}/0"
    out = csv.with_name("plan.json")
    url = f"redis://:s3cr3t@{address}"
    done = called("plan", csv, "--to", url, "--key", "{id}", "--out", out, "--shared-path")
    assert done.returncode == 0
    assert "the password is not in the plan" in done.stderr
    assert "s3cr3t" not in out.read_text() + done.stdout + done.stderr
    assert "the server wants a password" in shard(out, "0/2", code=4)["error"]
    file = csv.with_name("secret")
    file.write_text("s3cr3t\n")
    assert shard(out, "0/3", "--password-file", str(file))["status"] == "complete"
    for index, env in enumerate(({"REDISCLI_AUTH": "s3cr3t"}, {"REDIS_URL": url}), start=1):
        report = report_of("load", "--plan", out, "--shard", f"{index}/3", env=env)
        assert report["status"] == "complete"
    real_server.client(password="s3cr3t").config_set("requirepass", "")


@cases(
    ("argv", "says"),
    [
        (["{csv}", "--key", "{id}"], "give --shared-path if it leads to the same file"),
        (["-", "--shared-path"], "standard input is in this process only"),
        (["s3://key:s3cr3t@bucket/x.csv", "--key", "{id}"], "s3://bucket/x.csv: its URI has credentials"),
        (["https://host/x.csv?sig=s3cr3t", "--key", "{id}"], "https://host/x.csv: its URI has credentials"),
        (["--sql", "SELECT 1 AS id", "--key", "{id}"], "--sql runs in one process"),
        (
            ["{csv}", "--shared-path", "--to", "embedded:x", "--key", "{id}"],
            "an embedded server is this machine's",
        ),
        (["{csv}", "--shared-path", "--restart", "--key", "{id}"], "--restart is not kept in a plan"),
        (["{csv}", "--shared-path", "--key", "{nope}"], "uses {nope}, which people.csv does not have"),
    ],
)
def test_what_shards_could_not_read_or_reach_is_refused_before_a_plan_is_written(
    csv: Path, real_server: RealServer, tmp_path: Path, argv: list[str], says: str
) -> None:
    words = [str(csv) if word == "{csv}" else word for word in argv]
    to = () if "--to" in words else ("--to", real_server.url)
    done = called("plan", *words, *to, "--out", tmp_path / "plan.json")
    assert done.returncode == 2
    assert says in done.stderr
    assert "s3cr3t" not in done.stderr
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_is_shown_without_being_written(csv: Path, real_server: RealServer) -> None:
    report = report_of("plan", csv, "--to", real_server.url, "--key", "user:{id}", "--job", "people")
    assert report["records"] == COUNT
    assert report["fields"] == ["id", "name", "city"]
    assert report["plan"] is None
    text = called("plan", csv, "--to", real_server.url, "--key", "user:{id}").stdout
    assert "20,000 records" in text
    assert "--key 'user:{id}'" in text
    assert not real_server.client().keys("*")
    done = called("status", "nobody", "--to", real_server.url)
    assert done.returncode == 2
    assert "knows no job 'nobody'" in done.stderr
    nameless = called("status", "--json", "--to", real_server.url)
    assert (nameless.returncode, nameless.stderr.count("\n")) == (2, 1), nameless.stderr
    assert "status takes the name of one job" in nameless.stderr


def test_compressed_and_plain_sources_load_the_same_in_shards(csv: Path, real_server: RealServer) -> None:
    packed = csv.with_name("people.csv.gz")
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    out = plan(packed, real_server, "--key", "user:{id}")
    reports = [shard(out, f"{index}/2") for index in range(2)]
    assert of_all(reports, "written") == len(data_keys(real_server.client())) == COUNT
    assert (
        report_of("verify", csv, "--to", real_server.url, "--key", "user:{id}")["records"]["equal"] == COUNT
    )
