"""The verb ``help``: the manual, a page a topic.

A page is one Markdown file in ``etl/cli/topics``; its name is the topic, and its first line the title.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etl.errors import UsageError
from etl.options import Options, options_class
from etl.registry import Shelf
from etl.suggest import did_you_mean

if TYPE_CHECKING:
    from importlib.abc import Traversable

HELP = "list the topics of the manual, or show the page of one, or the options of a command"
POSITIONAL = ("[TOPIC]", "what to show the page of: a topic, or a command")
PAGED = True


@options_class
class HelpOptions(Options):
    """Options of ``help``: none."""

    WRITES: ClassVar[bool] = False


OPTIONS = HelpOptions
COUNTS: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the manual; ``topic`` is None for the list of all."""

    text: str
    topic: str | None = None
    rejects_line: ClassVar[None] = None
    exit_code: ClassVar[int] = 0

    def summary(self) -> str:
        """Return the page as it stands, without its last line break."""
        return self.text.rstrip("\n")

    def as_dict(self) -> dict[str, Any]:
        """Return the page for ``--json``."""
        return {"verb": "help", "topic": self.topic, "text": self.text}


def run(options: HelpOptions, topics: Sequence[Any]) -> Page:
    """Return the page of the one topic that is named, else the list of all. Raises UsageError."""
    pages = _pages()
    if not topics:
        return Page(_contents(pages))
    if len(topics) != 1:
        raise UsageError("help takes one topic: redis-etl help TOPIC")
    (topic,) = topics
    if topic not in pages:
        commands = Shelf("etl.verbs", "command").names()
        hint = did_you_mean(topic, [*pages, *commands]) or f"there are {', '.join(pages)}"
        raise UsageError(f"there is no topic {topic!r}; {hint}")
    return Page(_text(pages[topic]), topic)


def _pages() -> dict[str, Traversable]:
    """Return the files of all pages by topic, sorted."""
    from importlib.resources import files

    # Not the files of etl.cli: that would import the floor above.
    folder = files("etl") / "cli" / "topics"
    pages = {page.name.removesuffix(".md"): page for page in folder.iterdir() if page.name.endswith(".md")}
    return dict(sorted(pages.items()))


def _text(page: Traversable) -> str:
    return page.read_text(encoding="utf-8")


def _contents(pages: dict[str, Traversable]) -> str:
    width = max(map(len, pages), default=0)
    titles = {topic: _text(page).partition("\n")[0].lstrip("# ") for topic, page in pages.items()}
    lines = [f"  {topic:<{width}}  {title}" for topic, title in titles.items()]
    commands = Shelf("etl.verbs", "command").names()
    return "\n".join(
        [
            "topics (redis-etl help TOPIC):",
            *lines,
            "",
            f"commands (redis-etl help COMMAND): {', '.join(commands)}",
        ]
    )
