"""Backup into one file while the controller runs, and restore from it, on both kinds of database."""
