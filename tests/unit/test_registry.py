"""Shelves: members are found by the names of their files, also in folders that others bring."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etl.errors import MissingExtraError, UsageError
from etl.registry import Shelf, shelf_path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A shelf of two members, one of which another folder on the path brings."""
    own, other = tmp_path / "own" / "toys" / "shelf", tmp_path / "other" / "toys" / "shelf"
    for folder in (own, other):
        folder.mkdir(parents=True)
    (own.parent / "__init__.py").touch()
    (own / "__init__.py").write_text(
        "from etl.registry import shelf_path\n__path__ = shelf_path(__name__, __path__)\n"
    )
    (own / "ball.py").write_text("COLOUR = 'red'\n")
    (own / "_glue.py").write_text("raise AssertionError('no member')\n")
    (other / "kite.py").write_text("COLOUR = 'blue'\n")
    monkeypatch.syspath_prepend(own.parent.parent)
    sys.path.append(str(other.parent.parent))  # monkeypatch restores the whole of sys.path
    for name in [name for name in sys.modules if name.split(".")[0] == "toys"]:
        monkeypatch.delitem(sys.modules, name)
    return Shelf("toys.shelf", "toy")


def test_what_lies_in_its_folders_is_on_a_shelf(shelf: Shelf) -> None:
    assert shelf.names() == ("ball", "kite")
    assert {name: module.COLOUR for name, module in shelf.members()} == {"ball": "red", "kite": "blue"}
    assert "toys.shelf.ball" in sys.modules


def test_to_list_a_shelf_imports_none_of_its_members(shelf: Shelf) -> None:
    shelf.names()
    assert not {"toys.shelf.ball", "toys.shelf.kite"} & set(sys.modules)


def test_an_unknown_member_is_refused_with_the_nearest_or_all(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match=r"there is no toy 'bal'; did you mean ball\?"):
        shelf.member("bal")
    with pytest.raises(UsageError, match="there is no toy 'zeppelin'; there are ball, kite"):
        shelf.member("zeppelin")


def test_a_member_that_cannot_be_imported_is_named(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "other" / "toys" / "shelf" / "drum.py").write_text("import no_such_library\n")
    with pytest.raises(MissingExtraError, match="the toy drum cannot be imported: No module named 'no_such_"):
        shelf.member("drum")
    assert shelf.member("kite")
    assert [name for name, _ in shelf.members()] == ["ball", "kite"]


def test_a_folder_is_on_a_shelf_once(shelf: Shelf, tmp_path: Path) -> None:
    own = str(tmp_path / "own" / "toys" / "shelf")
    assert shelf_path("toys.shelf", [own]) == [own, str(tmp_path / "other" / "toys" / "shelf")]
