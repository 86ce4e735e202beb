"""What a run shows and leaves on this machine: progress, notices, the files of rejects and differences."""
