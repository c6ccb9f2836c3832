"""How is this service started? `python -m services.guardianship`."""

from services.guardianship.app import build
from shared.runtime import main

main("guardianship", build)
