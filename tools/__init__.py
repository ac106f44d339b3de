"""What maintainers and the Makefile run: assets, lock file, schemas."""
