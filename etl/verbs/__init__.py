"""The verbs: the public Python API. ``prepare`` is what they share before and after their workers."""
