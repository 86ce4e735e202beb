"""From ``--to`` to a target: the door to the deployments."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from etl.errors import UsageError
from etl.options import TargetOptions
from etl.sink.address import Address, parse_address
from etl.sink.deployments.standalone import StandaloneTarget
from etl.sink.login import address_of, refuse_login

EMBEDDED = "embedded:"


def place_of(options: TargetOptions) -> Address | str:
    """Return the server's address, or the folder of an embedded one. Raises UsageError."""
    url = options.url()
    if not url.startswith(EMBEDDED):
        return address_of(url, options)
    refuse_login(options)
    folder = url.removeprefix(EMBEDDED)
    if not folder:
        raise UsageError(f"--to {EMBEDDED} needs a folder, where the data are kept: --to {EMBEDDED}FOLDER")
    return folder


@contextlib.contextmanager
def opened_target(place: Address | str) -> Iterator[tuple[StandaloneTarget, str]]:
    """Return the target and its name for people; an embedded server runs while this is entered."""
    if isinstance(place, Address):
        target = StandaloneTarget(place)
        yield target, str(target)
        return
    from etl.sink.embedded.server import opened

    with opened(place) as server_url:
        yield StandaloneTarget(parse_address(server_url), own=True), f"{EMBEDDED}{place}"
