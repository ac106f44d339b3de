"""The HTTP interface under /api/v1: one router a noun."""
