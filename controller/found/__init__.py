"""What agents found and nobody has adopted yet: kept, adopted, ignored."""
