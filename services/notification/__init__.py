"""Who must be told, through which channel, until a machine of theirs has taken it.

Owns: notices with their deliveries; the parties' endpoints and secrets; the agencies' own feeds; one-tap links.
Listens to: heli.referral.v1 (leg.issued, leg.escalated, leg.declined, leg.accepted, leg.active, leg.forwarded, leg.fulfilled,
leg.pressed, press.answered, press.missed,
leg.covered, leg.rescheduled, leg.withdrawn, leg.voided, withdrawal.asked, withdrawal.refused, answer.refused),
heli.intake.v1 (report.stalled, report.progressed), heli.directory.v1 (agency.changed),
heli.operations.v1 (stream.parked, deadlines.stalled).
Publishes: heli.notification.v1 (notice.delivered, notice.delayed, notice.unroutable, link.answered, endpoint.changed),
heli.agency.<code>.v1 (heli.notice.*).
Deadlines: next attempt and lease of a webhook, next look for a way to a party, the broker's acknowledgement, the end of an old secret.
"""
