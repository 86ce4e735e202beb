"""The shelf of verbs: each is one file, and the command of its name.

A verb's module has ``HELP`` (what it does, as the help lists it), ``OPTIONS`` (the dataclass of its
options), ``COUNTS`` (the names in its report's ``records``) and ``run(options, sources)``, which returns a
Report, or what else has its ``summary``, ``as_dict``, ``exit_code`` and ``rejects_line``. One whose arguments
are no sources has ``POSITIONAL``: what one of them is called, and its help. One whose summary is a text to
read has ``PAGED = True``: a terminal shows it by pages. The command line reads all of these to print its
help, so a verb imports what is heavy inside ``run``.
"""

from etl.registry import shelf_path

__path__ = shelf_path(__name__, __path__)
