"""Runs unattended on a school device: one thread a device, an outbox on disk, one uplink."""
