"""The queue's walks as functions of the database, since planning such a statement costs three times as much as running
it, and a function is planned once a connection. A walk gives the ids of a page and one more, and the key of the page's
last row, each as text: a list costs less than a row of columns. Up to four teams are merged row by row, so that no more
is read than is shown; a condition must not name a state by parameter, else the partial indexes would not be used."""

from django.db import migrations

BY = "LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan"
MERGED = 4
# The order's columns beside the id, with their types; and how it compares.
ORDERS = {
    "newest": ([("newest_at", "timestamptz")], "<", " DESC"),
    "priority": ([("rank", "int"), ("waiting_since", "timestamptz")], ">", ""),
    "oldest": ([("waiting_since", "timestamptz")], ">", ""),
}


def walk(name):
    """CREATE FUNCTION for one order."""
    columns, compares, way = ORDERS[name]
    names = [column for column, _ in columns]
    listed = ", ".join(f"c.{column}" for column in [*names, "id"])
    after = f"({listed}) {compares} ({', '.join(f'after_{column}' for column in [*names, 'id'])})"
    order = ", ".join(f"{column}{way}" for column in [*names, "id"])

    def one(condition):
        where = f"c.state <= 2 AND {condition} AND {after}"
        return f"SELECT {listed} FROM inbox_conversation c WHERE {where} ORDER BY {order} LIMIT page + 1"

    def taken(rows):
        keys = "".join(f", (array_agg(k.{column}))[page]::text" for column in names)
        return f"RETURN (SELECT ARRAY[array_agg(k.id)::text{keys}] FROM ({rows}) k);"

    def teamwise(condition):
        ordered = f"ORDER BY {order} LIMIT page + 1"
        merged = " UNION ALL ".join(f"({one(f'c.team_id = teams[{n}]{condition}')})" for n in range(1, MERGED + 1))
        many = f"unnest(teams) AS t(team), LATERAL ({one(f'c.team_id = t.team{condition}')}) AS w"
        return f"""
            IF cardinality(teams) = 1 THEN
                {taken(one(f"c.team_id = teams[1]{condition}"))}
            ELSIF cardinality(teams) <= {MERGED} THEN
                {taken(f"SELECT * FROM ({merged}) AS w {ordered}")}
            ELSE
                {taken(f"SELECT w.* FROM {many} {ordered.replace('BY ', 'BY w.').replace(', ', ', w.')}")}
            END IF;"""

    given = "".join(f", after_{column} {kind}" for column, kind in columns)
    return f"""
        CREATE FUNCTION inbox_queue_{name}(which text, teams bigint[], agent bigint, page int{given},
            after_id bigint) RETURNS text[] {BY} AS $$
        BEGIN
            IF which = 'mine' THEN
                {taken(one("c.agent_id = agent AND c.team_id = ANY(teams)"))}
            ELSIF which = 'unassigned' THEN {teamwise(" AND c.agent_id IS NULL")}
            ELSE {teamwise("")}
            END IF;
        END $$"""


class Migration(migrations.Migration):

    dependencies = [
        ('inbox', '0003_search'),
    ]

    operations = [
        migrations.RunSQL(walk(name), f"DROP FUNCTION inbox_queue_{name}")
        for name in ORDERS
    ]
