"""One file a database that runs queries: its ``SCHEMES``, how its URI is ``WRITTEN``, and ``open``.

A member is::

    SCHEMES = ("sqlite",)      # in small letters
    WRITTEN = "sqlite:PATH"    # for messages

    def open(uri: str) -> Database: ...

Its file is imported to learn the schemes: its library is imported when a query runs.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
