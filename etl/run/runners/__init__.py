"""Runners, a file each: who carries out the shards of a plan, ``--runner`` with the file's name.

A file has

- ``suits(workers)``: True if it is for plans in which so many workers have something to do; asked where
  ``--runner`` names none,
- ``MAX_WORKERS``: the most workers it can have; None: any number,
- ``OPTIONS``: the names of options that are for it and not for every other one,
- ``open(options, workers)``: the Runner (``etl/run/runner.py``). It is opened before the plan is made, so
  that what it starts gets ready meanwhile. What is heavy is imported in there.

One that has whole shards run on other machines has ``open_engine()`` too, which returns an Engine
(``etl/run/engine.py``), and is used by ``load`` instead of ``open``.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
