"""Print jobs: files that are uploaded, checked, released by a teacher, and carried out by a machine."""
