"""What can be typed after `heli`? One module per command; `deploy.cli` holds the table."""
