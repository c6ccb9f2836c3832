"""How is this service started? `python -m services.intake`."""

from services.intake.app import build
from shared.runtime import main

main("intake", build)
