"""What goes wrong with backups."""


class BackupError(Exception):
    """It was not done; the message says why."""
