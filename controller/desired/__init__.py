"""What agents are to be: settings by scope, adopted devices, and what became of them."""
