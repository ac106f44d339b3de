"""Hardware in the loop: real firmware in simulators, or real hardware."""
