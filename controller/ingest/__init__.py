"""From the broker into the database: decode, check, commit, then acknowledge."""
