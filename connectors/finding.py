"""Whether a reply of ours stands on its network already, judged the same way for every network that gives no key back
and has to be looked through for our words."""

from collections.abc import Callable, Iterable, Sized
from datetime import timedelta

from connectors.posts import Post
from connectors.replies import Absent, CannotKnow, Found, Outgoing

NEAR = timedelta(seconds=60)
"""How far two clocks that were compared may still be apart."""


class Sought:
    """Takes the posts of one page after the other. `same` says whether a post of ours has the reply's words and place;
    None: it has the words, and the network does not keep what in that thread it answers.

    Only what was made since the first try can be it: an answer to a first try may have been lost long before the
    second one, and the post of either is the reply."""

    def __init__(self, outgoing: Outgoing, same: Callable[[Post], bool | None]) -> None:
        self.outgoing, self.same = outgoing, same
        self.fitting: dict[str, Post] = {}
        self.perhaps: dict[str, Post] = {}
        self.passed = False
        """A post was seen that is older than the first try: a list from new to old holds nothing more for us."""
        self.unread = False

    def among(self, posts: Iterable[Post], skew: timedelta = timedelta(0), bad: Sized = ()) -> None:
        """`skew`: how far the network's clock is ahead of ours. `bad`: what on this page could not be understood; any
        of it may be the reply."""
        since = self.outgoing.since - NEAR + skew
        self.unread = self.unread or bool(bad)
        for post in posts:
            if post.created_at < since:
                self.passed = True
            elif post.ours and post.external_id not in self.outgoing.bound:
                same = self.same(post)
                if same is not False:
                    (self.fitting if same else self.perhaps)[post.external_id] = post

    def verdict(self, *, whole: bool, alone: bool = False) -> Found | Absent | CannotKnow:
        """`whole`: everything that could be it was among what was looked at. `alone`: nobody else talks in the thread
        with us, so that what we say there is for this person."""
        fitting = {**self.fitting, **(self.perhaps if alone else {})}
        if len(fitting) > 1:
            return CannotKnow("Two posts of ours look like this reply.")
        for one in fitting.values():
            return Found(one.external_id, one.url)
        if self.perhaps:
            return CannotKnow("We said the same in this thread, and the network does not show to whom.")
        if self.unread or not whole:
            return CannotKnow("So much was said there meanwhile that not all of it could be read.")
        return Absent()
