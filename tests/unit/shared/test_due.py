"""Can every sweep find what is due without looking at everything?"""

from importlib import import_module

import pytest
from sqlalchemy import MetaData

from tests.guards.sources import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_with_a_deadline_has_an_index_of_the_rows_that_have_one(service: str) -> None:
    metadata: MetaData = import_module(f"services.{service}.tables").METADATA
    swept = {table.name: table for table in metadata.tables.values() if "next_due" in table.columns}
    indexed = {
        table.name
        for table in swept.values()
        for index in table.indexes
        if [column.name for column in index.columns] == ["next_due"]
        and str(index.dialect_options["postgresql"]["where"]) == "next_due is not null"
    }
    assert swept
    assert indexed == set(swept)
