"""Jobs: files that are uploaded, checked, released by a teacher, and printed, cut or run by a machine."""
