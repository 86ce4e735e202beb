"""``cases``: ``pytest.mark.parametrize`` for cheap cases, which are all tried in one test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Test = Callable[..., None]


@dataclass(frozen=True)
class _Case:
    values: tuple[Any, ...]
    name: str


def cases(
    names: str | Sequence[str],
    rows: Iterable[Any],
    ids: Callable[[Any], object] | Iterable[object] | None = None,
) -> Callable[[Test], Test]:
    """Return a decorator that calls a test once a row, with that row's values for ``names``.

    To collect, set up and report a test costs more than most of our cases do. The arguments are those of
    ``pytest.mark.parametrize``, and tables can be stacked. The first row that fails fails the test, and is
    named by a note. All rows share the test's fixtures, but each has a ``tmp_path`` of its own. Below
    ``given`` every example is tried with every row.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = _table(len(wanted), list(rows), ids)

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        missing = set(wanted) - set(signature.parameters)
        assert not missing, f"{test.__name__} takes no {missing}"
        kept = [parameter for name, parameter in signature.parameters.items() if name not in wanted]

        @functools.wraps(test)
        def with_every_row(*examples: Any, **fixtures: Any) -> None:
            assert table, "a table without rows tests nothing"
            fixtures.update((parameter.name, value) for parameter, value in zip(kept, examples, strict=False))
            folder: Path | None = fixtures.get("tmp_path")
            for at, case in enumerate(table):
                if folder is not None:
                    fixtures["tmp_path"] = folder / f"row{at}"
                    fixtures["tmp_path"].mkdir(exist_ok=True)
                try:
                    test(**fixtures, **dict(zip(wanted, case.values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    note = f"in the case {at} of {', '.join(wanted)}: {case.name}"
                    vars(error).setdefault("__notes__", []).append(note)  # add_note, before Python 3.11
                    raise

        with_every_row.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return with_every_row

    return decorate


def _table(count: int, rows: list[Any], ids: Any) -> list[_Case]:
    given = None if ids is None or callable(ids) else [str(name) for name in ids]
    table = []
    for at, row in enumerate(rows):
        marked = isinstance(row, type(pytest.param()))
        values = tuple(row.values if marked else row if count > 1 else (row,))
        name = row.id if marked and row.id else given[at] if given else None
        table.append(_Case(values, name or "-".join(_name(value, ids) for value in values)))
    return table


def _name(value: Any, ids: Any) -> str:
    """Name a value as ``parametrize`` does: one of a kind that is not plain is not looked into."""
    if callable(ids) and (name := ids(value)) is not None:
        return str(name)
    if value is None or isinstance(value, str | bytes | int | float):
        text = repr(value)
        return text if len(text) <= 100 else f"{text[:100]}..."
    return str(getattr(value, "__name__", type(value).__name__))
