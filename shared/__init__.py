"""What do all services share? Plumbing and published contracts; nothing here knows a service."""
