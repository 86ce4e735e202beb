"""The two halves of a worker process: the parent's and its own."""
