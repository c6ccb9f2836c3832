"""How is the auditor started? `python -m services.referral.auditor`, with the environment of referral and a port of its own."""

from services.referral.auditor.process import main

main()
