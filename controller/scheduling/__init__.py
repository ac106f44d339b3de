"""Who may use which machine when, and the leases by which the agents hold to it."""
