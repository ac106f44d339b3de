"""Harnesses for coverage-guided fuzzing; run by hand, for as long as one likes."""
