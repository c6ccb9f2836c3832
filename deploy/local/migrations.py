"""How do the four databases reach their newest revision without four slow starts of Python? One process does it in turn.

`python -m deploy.local.migrations`, with HELI_MIGRATE = {"service": "postgresql://..."} (not arguments: those everybody sees).
In production each service does its own: `python -m services.<name> migrate`.
"""

import json
import os

from shared.database import migrate


def main() -> None:
    addresses: dict[str, str] = json.loads(os.environ["HELI_MIGRATE"])
    for service, url in addresses.items():
        print(service, flush=True)
        migrate(service, url)


if __name__ == "__main__":
    main()
