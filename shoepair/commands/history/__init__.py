"""Commands on what DVC and git recorded: dataset versions, digests."""
