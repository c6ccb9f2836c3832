"""How is this service started? `python -m services.referral`."""

from services.referral.app import build
from shared.runtime import main

main("referral", build)
