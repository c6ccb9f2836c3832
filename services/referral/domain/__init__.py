"""What is a case, a leg, an agency, a rule? Pure: no I/O, no clock, no rows."""
