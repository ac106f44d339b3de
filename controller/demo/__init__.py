"""`fabfleet demo`: a small cluster of invented schools around this real machine, all of it ended by one Ctrl-C."""
