"""Other systems on the same work: what `make bench PEERS=1` adds."""
