"""Where the bytes of sources lie and how they come: files, pipes, remote storage, compression."""
