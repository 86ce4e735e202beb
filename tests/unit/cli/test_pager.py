"""Which texts are shown by pages, and by what."""

from __future__ import annotations

from pathlib import Path

from etl.cli.pager import pager_for


def test_a_pager_is_asked_for_on_a_terminal_only_and_the_readers_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "less").write_text("#!/bin/sh\n")
    (tmp_path / "less").chmod(0o755)
    there, nowhere = {"PATH": str(tmp_path)}, {"PATH": str(tmp_path / "empty")}
    assert pager_for(there, terminal=True) == "less -FRX"
    assert pager_for(nowhere, terminal=True) is None
    assert pager_for({**nowhere, "PAGER": "most -w"}, terminal=True) == "most -w"
    for plain in ("", "cat"):
        assert pager_for({**there, "PAGER": plain}, terminal=True) is None
    assert pager_for({**there, "PAGER": "most", "TERM": "dumb"}, terminal=True) is None
    assert pager_for({**there, "PAGER": "most"}, terminal=False) is None
