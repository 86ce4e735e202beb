"""The command line from end to end, with a server of its own in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from etl.sink.embedded import server as embedded
from tests.server.inputs import many_lines, write
from tests.support import RealServer, run_cli

LINES = many_lines(20_000)


def test_load_and_verify_work_on_a_machine_without_a_running_redis(tmp_path: Path) -> None:
    file = write(tmp_path / "lines.txt", LINES)
    to = ("--to", f"embedded:{tmp_path / 'db'}")

    loaded = run_cli("load", file, *to, "--workers", "2", "--key", "line:{#}")
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.splitlines()[-1] == "20,000 read = 20,000 written + 0 skipped + 0 rejected"
    assert f"2 workers, embedded:{tmp_path / 'db'}" in loaded.stdout

    verified = run_cli("verify", file, *to, "--key", "line:{#}")
    assert verified.returncode == 0, verified.stderr
    assert (
        verified.stdout.splitlines()[-1]
        == "20,000 read = 20,000 equal + 0 missing + 0 different + 0 rejected"
    )

    with embedded.opened(tmp_path / "db") as url:
        change_and_delete(url)

    differing = run_cli("verify", file, *to, "--key", "line:{#}")
    assert differing.returncode == 1
    assert differing.stderr == ""
    first, second, *_, last = differing.stdout.splitlines()
    assert first.startswith("record 7, key 'line:7' holds 'something else', the source has ")
    assert second.startswith("record 12,345, key 'line:12345' is missing, the source has ")
    assert last == "20,000 read = 19,998 equal + 1 missing + 1 different + 0 rejected"

    as_json = run_cli("verify", file, *to, "--key", "line:{#}", "--json")
    assert as_json.returncode == 1
    report = json.loads(as_json.stdout)
    assert report["records"] == {"read": 20_000, "equal": 19_998, "missing": 1, "different": 1, "rejected": 0}
    assert [example["key"] for example in report["examples"]] == ["line:7", "line:12345"]
    assert report["examples"][0]["found"] == "something else"
    assert report["examples"][1]["found"] is None


def change_and_delete(url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        client.set("line:7", "something else")
        client.delete("line:12345")


def test_the_json_report_is_the_only_thing_on_stdout(real_server: RealServer, tmp_path: Path) -> None:
    file = write(tmp_path / "lines.txt", LINES)
    ended = run_cli("load", file, "--to", real_server.url, "--workers", "3", "--json")
    report = json.loads(ended.stdout)
    assert set(report) == {
        "status",
        "records",
        "bytes",
        "rate",
        "seconds",
        "resumed_from",
        "workers",
        "job",
        "target",
        "rejects",
    }
    assert report["status"] == "complete"
    assert report["target"] == real_server.url
    assert report["bytes"] == file.stat().st_size
    assert report["job"].startswith("lines-")
    assert [set(worker) for worker in report["workers"]] == [{"records", "blocks", "seconds"}] * 3


def test_nothing_to_load_is_complete(real_server: RealServer, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    ended = run_cli("load", tmp_path / "empty.txt", "--to", real_server.url)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == "0 read = 0 written + 0 skipped + 0 rejected"
