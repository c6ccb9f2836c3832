"""What was reported, by whom, who may read it, and what came of it.

Owns: reports with their content, and which agency holds an open leg on which report (that leg is the right to read).
Listens to: heli.referral.v1 (case.opened; leg.issued, delivered, seen, accepted, active, declined, fulfilled).
Publishes: heli.intake.v1 (report.accepted, report.progressed, report.stalled, report.read, report.missed).
Deadlines: every child has its case within 60 s of a report with an L or M situation, within 10 min of any other.
"""
