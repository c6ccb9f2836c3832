"""How does everything run on one machine, with nothing installed but Python and Java or Docker?"""
