"""What all text formats share: the contract, ranges of files, streams, numbering, long and wide records."""
