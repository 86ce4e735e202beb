"""One file a format of files: its ``SUFFIXES``, the ``OPTIONS`` that have an effect on it, and ``open``."""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
