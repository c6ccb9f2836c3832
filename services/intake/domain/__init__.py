"""What does intake know? `told` what a reporter may send, `content` who may see what of it, `report` what happens to it."""
