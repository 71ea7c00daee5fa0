"""Days are noted as well when a post that was found goes, comes back or comes into a story, and when its author turns
out to have another number of followers."""

from django.db import migrations

CHANGED = """
    CREATE OR REPLACE FUNCTION connectors_findings_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO connectors_findingdue (topic_id, at)
        SELECT DISTINCT v.topic_id, date_bin('15 minutes', v.at, 'epoch')
          FROM was w JOIN now n ON n.id = w.id,
               LATERAL (VALUES (w.topic_id, w.posted_at), (n.topic_id, n.posted_at)) AS v(topic_id, at)
         WHERE (w.topic_id, w.mention_id, w.posted_at, w.themes, w.hidden_by_id, w.cluster_id)
               IS DISTINCT FROM (n.topic_id, n.mention_id, n.posted_at, n.themes, n.hidden_by_id, n.cluster_id);
        RETURN NULL;
    END $$"""
ELSEWHERE = """
    CREATE OR REPLACE TRIGGER finding_elsewhere AFTER UPDATE OF conversation_id, state, followers ON inbox_mention
        FOR EACH ROW WHEN ((OLD.conversation_id, OLD.state, OLD.followers)
                           IS DISTINCT FROM (NEW.conversation_id, NEW.state, NEW.followers))
        EXECUTE FUNCTION connectors_finding_elsewhere()"""


class Migration(migrations.Migration):
    """The table of posts is in use: its trigger is a transaction of its own, which holds one lock for a moment."""

    atomic = False
    dependencies = [
        ('connectors', '0019_finding_posts'),
    ]

    operations = [
        migrations.RunSQL(CHANGED, migrations.RunSQL.noop),
        migrations.RunSQL(ELSEWHERE, migrations.RunSQL.noop),
    ]
