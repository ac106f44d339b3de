"""Schools, rooms, agents and devices."""
