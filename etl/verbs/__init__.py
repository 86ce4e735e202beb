"""The shelf of verbs: each is one file, and the command of its name.

A verb's module has ``HELP`` (what it does, as the help lists it), ``OPTIONS`` (the dataclass of its
options), ``COUNTS`` (the names in its report's ``records``) and ``run(options, sources) -> Report``. The
command line reads the first three to print its help, so a verb imports what is heavy inside ``run``.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
