"""Where records come from; each way is a Source (the contract stands in ``etl/plan/source.py``).

``choose`` is the door. ``formats/`` has a file a format, ``storage/`` knows where bytes lie, ``text/`` and
``table/`` hold what the two kinds of formats share.
"""
