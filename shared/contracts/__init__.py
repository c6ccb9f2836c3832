"""What may be said between services, and to partners? The published language; the schemas beside it are its law."""
