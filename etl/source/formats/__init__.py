"""One file a format of files: its ``SUFFIXES``, the ``OPTIONS`` that have an effect on it, and ``open``.

A member is::

    SUFFIXES = (".orc",)                              # how names of such files end, in small letters
    OPTIONS = ("flatten", "omit_empty", "vectors")    # of those that not every format has (OF_FORMATS)

    def open(paths: Sequence[str], options: SourceOptions) -> Source: ...

Its file is imported to learn the suffixes, also where another format is loaded: what it needs is imported
inside its functions. What two formats share, and a format of which more is to be said, stands in a room
beside (``text/``, ``table/``, ``csv/``, ``json/``).
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
