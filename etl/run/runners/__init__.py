"""One file a way to run shards."""
