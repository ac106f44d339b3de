"""Sharing machines between classes and schools."""
