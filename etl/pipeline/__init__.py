"""The steps between the options of a verb and its report, a file each.

``resolve``, ``connect``, ``preflight``, ``plan`` and ``run`` follow one another in ``execute``; between
them ``claim`` takes the job. ``work`` and ``verb`` are what a verb decides (``loading``, ``verifying``),
``outcome`` is how it ended.
"""
