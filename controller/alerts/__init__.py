"""Rules that turn values into states."""
