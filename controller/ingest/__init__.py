"""MQTT in, commit, ack out; the ledger that proves that nothing was lost."""
