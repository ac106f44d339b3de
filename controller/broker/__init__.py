"""The embedded MQTT broker as a child process, its credentials and its access rules."""
