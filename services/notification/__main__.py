"""How is this service started? `python -m services.notification`."""

from services.notification.app import build
from shared.runtime import main

main("notification", build)
