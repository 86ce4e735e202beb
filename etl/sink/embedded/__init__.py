"""A redis-server of our own: ``folder`` is its home on disk, ``server`` its process."""

from etl.sink.embedded.binary import server_binary
from etl.sink.embedded.server import opened

__all__ = ["opened", "server_binary"]
