"""Deployments, a file each: what a URL of ``--to`` can lead to.

A file has

- ``SCHEMES``: how its URLs begin, and what follows that, as messages show it: ``{"embedded:": "FOLDER"}``,
- ``NOUN``: what it is called in messages: "an embedded server",
- ``OPTIONS``: the names of options that are for it and not for every other one,
- ``open(url, options)``: a context manager that yields the Target (``etl/plan/target.py``) at ``url``;
  what it starts for that ends with it. It raises UsageError for a URL that cannot be,
- and, if it is found out by asking, ``found_at(target)``: the Target that a server which was reached through
  another deployment is a part of; None where it is of none.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
