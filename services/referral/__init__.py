"""Which agency owes what, by when, and what happens on silence; and the directory of agencies.

Owns: cases with their legs, the agency directory, the rules and calendars that were ever used.
Listens to: heli.intake.v1 (report.accepted), heli.notification.v1 (notice.delivered, link.answered),
heli.agency.<code>.replies.v1 (answers).
Publishes: heli.referral.v1 (case.*, leg.*, answer.refused), heli.directory.v1 (agency.changed).
Deadlines: the five clocks and the ladder of every open leg: rungs, their repeats until a person takes note, an office's opening.
Beside it, a process of its own: `auditor/` asks the stored legs what should have fired, and says so on heli.operations.v1
(deadlines.stalled, deadlines.recovered).
"""
