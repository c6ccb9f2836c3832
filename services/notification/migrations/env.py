"""What does Alembic compare with?"""

from services.notification.tables import METADATA
from shared.database import run_migrations

run_migrations(METADATA)
