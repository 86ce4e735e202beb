"""Keys that occur more than once in an input: found by their hashes, and settled exactly.

What a load writes may hold each key once (an RDB file: a key twice makes every server panic). Unless keys are
unique by themselves (``etl/encode/keys.py``), a pass over them comes first: workers write a 64-bit hash of
each (``etl/encode/strategies/key_hashes.py``, ``etl/sink/spill.py``), and ``repeats`` finds the hashes that
are there more than once. Only where there are any, a second pass writes those records' keys whole, and
``winners`` decides which record of a key stays. Chance equality of two hashes costs time, and nothing else.

NOTE(range memory): both look at one range of hashes after the other, as small as ``--memory`` wants it. A
hash or key that is there so often that its range is larger all the same is reduced as the rows come: what is
kept is bounded by how many different ones there are.
"""
