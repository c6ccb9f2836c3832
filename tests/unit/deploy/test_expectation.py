"""Does the demo's own reading of rules, directory and divisions say what the services' does, and does the sample show enough?"""
