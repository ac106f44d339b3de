"""Commands: from a button or the API to a machine, and what became of each."""
