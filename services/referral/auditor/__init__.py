"""Who watches the time door? A process of its own that recomputes from the stored legs what should have fired by now.

It shares no code with what it watches: its own SQL, its own reading of a leg's terms, its own producer. What it finds twice, ten
seconds apart, it says: an event to operations, a log line, `/auditor/ready` (503), `/auditor/metrics`, and silence on the outside
heartbeat, which it beats only while a look has been completed lately and nothing is unfired.
"""
