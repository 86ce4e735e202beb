"""How shards are run: ``runners/`` has a file a way, ``process/`` the two halves of a worker process."""
