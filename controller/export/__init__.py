"""What a city's data centre is given: roll-ups and the use of what is shared, without people."""
