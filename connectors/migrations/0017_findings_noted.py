"""Whatever changes how many posts a topic found on a day notes the day in its own transaction, whoever does it: a
finding comes, goes, is hidden or sorted anew; a conversation goes to another team; a post goes to another conversation.
Nothing is counted here: a day that was never counted is counted by the sweep."""

from django.db import migrations

NOTED = """INSERT INTO connectors_findingdue (topic_id, at)
        SELECT DISTINCT {topic}, date_bin('15 minutes', {at}, 'epoch')"""
BOTH = NOTED.format(topic="topic_id", at="posted_at")
EITHER = NOTED.format(topic="v.topic_id", at="v.at")
FOUND = NOTED.format(topic="f.topic_id", at="f.posted_at")
FUNCTION = """
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        {work};
        RETURN NULL;
    END $$"""
CHANGED = f"""{EITHER}
          FROM was w JOIN now n ON n.id = w.id,
               LATERAL (VALUES (w.topic_id, w.posted_at), (n.topic_id, n.posted_at)) AS v(topic_id, at)
         WHERE (w.topic_id, w.mention_id, w.posted_at, w.themes, w.hidden_by_id)
               IS DISTINCT FROM (n.topic_id, n.mention_id, n.posted_at, n.themes, n.hidden_by_id)"""
FUNCTIONS = {
    "connectors_findings_moved": f"{BOTH} FROM changed",
    "connectors_findings_changed": CHANGED,
    "connectors_finding_of_other_team": f"""{FOUND}
          FROM inbox_mention m JOIN connectors_topicmention f ON f.mention_id = m.id
         WHERE m.conversation_id = NEW.id""",
    "connectors_finding_elsewhere": f"{FOUND} FROM connectors_topicmention f WHERE f.mention_id = NEW.id",
}
TO_FINDINGS = "ON connectors_topicmention REFERENCING {} FOR EACH STATEMENT EXECUTE FUNCTION"
BOTH_TABLES = TO_FINDINGS.format("OLD TABLE AS was NEW TABLE AS now")
TRIGGERS = [
    f"findings_came AFTER INSERT {TO_FINDINGS.format('NEW TABLE AS changed')} connectors_findings_moved()",
    f"findings_went AFTER DELETE {TO_FINDINGS.format('OLD TABLE AS changed')} connectors_findings_moved()",
    f"findings_changed AFTER UPDATE {BOTH_TABLES} connectors_findings_changed()",
    """finding_of_other_team AFTER UPDATE OF team_id ON inbox_conversation FOR EACH ROW
         WHEN (OLD.team_id IS DISTINCT FROM NEW.team_id) EXECUTE FUNCTION connectors_finding_of_other_team()""",
    """finding_elsewhere AFTER UPDATE OF conversation_id ON inbox_mention FOR EACH ROW
         WHEN (OLD.conversation_id IS DISTINCT FROM NEW.conversation_id)
         EXECUTE FUNCTION connectors_finding_elsewhere()""",
]


class Migration(migrations.Migration):
    """The tables are in use: each trigger is a transaction of its own, which holds one lock for a moment."""

    atomic = False
    dependencies = [
        ('connectors', '0016_finding_days'),
        ('inbox', '0018_put_away'),
    ]

    operations = [
        *(
            migrations.RunSQL(FUNCTION.format(name=name, work=work), f"DROP FUNCTION IF EXISTS {name}() CASCADE")
            for name, work in FUNCTIONS.items()
        ),
        *(migrations.RunSQL(f"CREATE OR REPLACE TRIGGER {trigger}", migrations.RunSQL.noop) for trigger in TRIGGERS),
    ]
