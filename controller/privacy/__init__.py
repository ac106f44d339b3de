"""What is kept of people: the register, a person's own data as a file, and erasure."""
