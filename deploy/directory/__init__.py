"""How does an agency directory come from a sheet or from the division data?"""
