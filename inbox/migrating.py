"""What migrations do to tables in use."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently

PATIENCE = "10min"


class BuildIndex(AddIndexConcurrently):
    """Builds an index while the table is written to. It waits for whoever works on the table and holds up nobody, so it
    may wait long; a try that was cut short leaves an index that is not valid, which the next one takes away first."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"SET lock_timeout = '{PATIENCE}'")
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        schema_editor.execute("RESET lock_timeout")
