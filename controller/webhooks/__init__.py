"""Webhooks: programs of a school's own are told of what happens there, signed, by HTTP."""
