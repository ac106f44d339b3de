"""Shows the fleet live and shares its machines. Laid out by domain; `controller.main` wires it."""
