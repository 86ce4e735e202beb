"""One file a client library for remote files: the ``SCHEMES`` of URIs that it is for, and ``open``.

A member is::

    SCHEMES = ("s3", "gs")    # in small letters

    def open(uri: Uri) -> Store: ...

Its file is imported to learn the schemes: its library is imported when a URI is opened.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
