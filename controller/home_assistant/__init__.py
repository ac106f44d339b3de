"""Home Assistant is told of a school's devices, by its own MQTT discovery. It is told, and asked for nothing."""
