"""The steps between the options of a verb and its report, a file each.

``resolve``, ``prepare``, ``plan`` and ``run`` follow one another in ``execute``. To ``prepare`` is, for a
server, to ``connect``, to ask it (``preflight``) and to ``claim`` the job; for a file it is ``to_file``.
``work`` and ``verb`` are what a verb decides (``loading``, ``verifying``),
``outcome`` is how it ended.
"""
