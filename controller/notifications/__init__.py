"""Notifications: news that people asked for, sent to them outside of the pages."""
