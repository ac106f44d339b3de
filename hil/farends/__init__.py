"""Far ends that the bridges are driven against, each a process of its own."""
