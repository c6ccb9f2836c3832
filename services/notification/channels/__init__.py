"""How does one attempt leave the house? One file per channel, each performing an attempt and telling how it ended."""
