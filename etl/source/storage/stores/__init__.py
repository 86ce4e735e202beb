"""One file a client library for remote files; each is imported only where it is needed."""
