"""What DVC and git recorded: versions of the dataset, digests."""
