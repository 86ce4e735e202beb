"""The manual: topics, their pages, and commands, by ``redis-etl help``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import etl.cli
from etl.cli import main as cli
from etl.cli.parser import VERBS
from tests.cases import cases

PAGES = {page.stem: page for page in sorted((Path(etl.cli.__file__).parent / "topics").iterdir())}


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")  # pytest -s has one


def test_without_a_topic_all_are_listed_with_the_titles_of_their_pages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "  engines  Beyond one machine: recipes for " in out
    assert "  rdb      RDB files: a data set as a file " in out
    assert out.endswith("commands (redis-etl help COMMAND): help, load, plan, status, verify\n")
    for topic, page in PAGES.items():
        assert re.search(rf"(?m)^  {topic} +{page.read_text().splitlines()[0][2:]}$", out)


@cases("topic", PAGES)
def test_the_page_of_a_topic_is_printed_as_it_stands(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", topic]) == 0
    assert capsys.readouterr() == (PAGES[topic].read_text(encoding="utf-8"), "")
    assert cli.main(["help", topic, "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page == {"verb": "help", "topic": topic, "text": PAGES[topic].read_text(encoding="utf-8")}


@cases("verb", VERBS.names())
def test_help_for_a_command_is_what_it_says_of_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    itself = capsys.readouterr()
    assert cli.main(["help", verb]) == 0
    assert capsys.readouterr() == itself
    assert verb not in PAGES  # there is one answer to each word


def test_what_is_no_topic_is_a_usage_error_that_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    for words, says in {
        "rbd": "there is no topic 'rbd'; did you mean rdb?",
        "lod": "there is no topic 'lod'; did you mean load?",
        "../topics/rdb": "there is no topic '../topics/rdb'; there are engines, rdb",
        "zzzzz": "there is no topic 'zzzzz'; there are engines, rdb",
        "engines rdb": "help takes one topic: redis-etl help TOPIC",
        "load verify": "help takes one topic: redis-etl help TOPIC",
        "rdb --to x": "help has no option --to",
    }.items():
        assert cli.main(["help", *words.split()]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"redis-etl: {says}")
        assert len(err.splitlines()) == 1


@cases("topic", PAGES)
def test_a_page_reads_well_in_a_terminal(topic: str) -> None:
    page = PAGES[topic]
    assert page.suffix == ".md"
    title, blank, *lines = page.read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert blank == ""
    assert not any(line.startswith("# ") and not line.startswith("#!") for line in prose(lines))
    assert max(map(len, prose([title, *lines]))) <= 112
    assert page.read_bytes().isascii()  # also where the locale is C


def prose(lines: list[str]) -> list[str]:
    """Return the lines that are outside code blocks."""
    inside, found = False, []
    for line in lines:
        inside ^= line.startswith("```")
        if not inside:
            found.append(line)
    return found
