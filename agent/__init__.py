"""What runs unattended on a school computer: one thread a device, a durable outbox, an uplink to the controller."""

VERSION = "0.1.0"
