"""How shards are run: ``inline`` in the calling process, ``processes`` in N worker processes."""
