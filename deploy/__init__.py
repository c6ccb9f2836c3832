"""How is Heli run? On one machine, in containers, and by the `heli` command."""
