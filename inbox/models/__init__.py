"""The nouns of the inbox, one a file."""

from inbox.models.act import Act
from inbox.models.agent import Agent, Membership, Role
from inbox.models.attachment import Attachment
from inbox.models.conversation import Conversation, Seen, State, Tag
from inbox.models.enclosure import Enclosure
from inbox.models.event import Event, Stream
from inbox.models.mention import Mention, Revision
from inbox.models.note import Draft, Note
from inbox.models.person import Identity, Person
from inbox.models.picture import Picture
from inbox.models.reply import Reply
from inbox.models.saved_view import SavedView
from inbox.models.search_text import SearchDue, SearchFill, SearchKind, SearchText
from inbox.models.tally import Tally
from inbox.models.team import Team

__all__ = [
    "Act",
    "Agent",
    "Attachment",
    "Conversation",
    "Draft",
    "Enclosure",
    "Event",
    "Identity",
    "Membership",
    "Mention",
    "Note",
    "Person",
    "Picture",
    "Reply",
    "Revision",
    "Role",
    "SavedView",
    "SearchDue",
    "SearchFill",
    "SearchKind",
    "SearchText",
    "Seen",
    "State",
    "Stream",
    "Tag",
    "Tally",
    "Team",
]
