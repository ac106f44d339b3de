"""What agent and controller agree on. Standard library only; no I/O, no clock."""
