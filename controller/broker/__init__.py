"""The MQTT broker: a NATS server as a child of the controller, and who may say what on it."""
