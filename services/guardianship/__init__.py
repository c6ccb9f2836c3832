"""The township's information base of children.

Owns: one file per child, with the cases that name it.
Listens to: heli.referral.v1 (case.opened, case.raised, case.lowered, case.closed).
Publishes: heli.guardianship.v1 (child.opened).
Deadlines: none yet; duties and clocks stay with referral.
"""
