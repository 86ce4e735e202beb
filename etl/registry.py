"""Shelves: packages whose members are found by the names of their files.

A format, a Redis type, a deployment, a runner, a verb is one module on its shelf. What a shelf offers is
what lies in its folder, so a new member is one new file and nothing that lists it. Another distribution
adds one in the same way: a folder of the same name (``etl/source/formats/``) anywhere on ``sys.path``.

Two failures stay apart: there is no member of that name (UsageError), and a member's library is not
installed (MissingExtraError, from the member, which knows what to install, or else from here).
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from etl.errors import MissingExtraError, UsageError
from etl.suggest import did_you_mean


def shelf_path(package: str, path: Sequence[str]) -> list[str]:
    """Return a shelf's ``__path__``: its own folders, and those of its name elsewhere on ``sys.path``.

    A shelf sets it in its ``__init__``, so that worker processes find the same members.
    """
    folders = list(path)
    for entry in sys.path:
        folder = os.path.join(entry, *package.split("."))
        if folder not in folders and os.path.isdir(folder):
            folders.append(folder)
    return folders


@dataclass(frozen=True, slots=True)
class Shelf:
    """The members of a package: ``noun`` is what one of them is called in messages."""

    package: str
    noun: str

    def names(self) -> tuple[str, ...]:
        """Return the members' names, sorted. None of them is imported."""
        path = importlib.import_module(self.package).__path__
        return tuple(
            sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))
        )

    def member(self, name: str) -> ModuleType:
        """Import and return the member of that name. Raises UsageError where that cannot be."""
        names = self.names()
        if name not in names:
            hint = did_you_mean(name, names) or f"there are {', '.join(names)}"
            raise UsageError(f"there is no {self.noun} {name!r}; {hint}")
        try:
            return importlib.import_module(f"{self.package}.{name}")
        except ImportError as error:
            raise MissingExtraError(f"the {self.noun} {name} cannot be imported: {error}") from None

    def members(self) -> Iterator[tuple[str, ModuleType]]:
        """Yield every member that can be imported, with its name, sorted: a broken one stops no other."""
        for name in self.names():
            try:
                module = self.member(name)
            except MissingExtraError:
                continue
            yield name, module
