"""Latest values and history."""
