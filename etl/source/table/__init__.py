"""What all table formats share: the contract, files, streams, remote tables, layout, batches, checks."""
