"""A redis-server of our own: ``folder`` is its home on disk, ``server`` its process."""

from etl.sink.embedded.server import opened, server_binary

__all__ = ["opened", "server_binary"]
