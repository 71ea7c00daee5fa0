"""Addresses of the desk: nouns; what is done to a conversation is a POST on its sub-noun."""

from django.urls import path

from inbox.views import acts, bulk, desk, enclosures, files, network_acts, pictures, replies, saving, search, sides

app_name = "inbox"
urlpatterns = [
    path("", desk.start, name="start"),
    path("views/", desk.views, name="views"),
    path("views/counts/", desk.counts, name="counts"),
    path("views/<slug:slug>/", desk.view, name="view"),
    path("views/<slug:slug>/filters/", desk.choose_filters, name="filters"),
    path("views/<slug:slug>/top/", acts.deal_top, name="deal"),
    path("views/<slug:slug>/bulk/", bulk.bulk, name="bulk"),
    path("views/<slug:slug>/save/", saving.save_view, name="save_view"),
    path("views/<slug:slug>/renewal/", saving.renew_view, name="renew_view"),
    path("views/<slug:slug>/deletion/", saving.delete_view, name="delete_view"),
    path("density/", saving.density, name="density"),
    path("replying/", sides.replying, name="replying"),
    path("search/", search.search, name="search"),
    path("palette/", sides.palette, name="palette"),
    path("me.css", sides.me_css, name="me_css"),
    path("reversals/", bulk.revert, name="reversals"),
    path("reversals/<str:token>/", acts.revert, name="reversal"),
    path("conversations/<int:pk>/", desk.conversation, name="conversation"),
    path("conversations/<int:pk>/claim/", acts.claim, name="claim"),
    path("conversations/<int:pk>/release/", acts.release, name="release"),
    path("conversations/<int:pk>/assignment/", acts.assignment, name="assignment"),
    path("conversations/<int:pk>/closure/", acts.closure, name="closure"),
    path("conversations/<int:pk>/reopening/", acts.reopening, name="reopening"),
    path("conversations/<int:pk>/snooze/", acts.snooze, name="snooze"),
    path("conversations/<int:pk>/spam/", acts.spam, name="spam"),
    path("conversations/<int:pk>/tags/", acts.tags, name="tags"),
    path("conversations/<int:pk>/priority/", acts.priority, name="priority"),
    path("conversations/<int:pk>/notes/", replies.notes, name="notes"),
    path("conversations/<int:pk>/replies/", replies.replies, name="replies"),
    path("conversations/<int:pk>/replies/<int:reply>/undo/", replies.undo, name="reply_undo"),
    path("conversations/<int:pk>/replies/<int:reply>/release/", replies.release, name="reply_release"),
    path("conversations/<int:pk>/replies/<int:reply>/retry/", replies.release, name="reply_retry"),
    path("conversations/<int:pk>/replies/<int:reply>/drop/", replies.drop, name="reply_drop"),
    path("conversations/<int:pk>/replies/<int:reply>/settlement/", replies.settle, name="reply_settle"),
    path("conversations/<int:pk>/pictures/<int:mention>/<int:place>/", pictures.picture, name="picture"),
    path("conversations/<int:pk>/enclosures/<int:mention>/<int:place>/", enclosures.enclosure, name="enclosure"),
    path(
        "conversations/<int:pk>/enclosures/<int:mention>/<int:place>/file/", enclosures.content, name="enclosure_file"
    ),
    path("conversations/<int:pk>/network/", network_acts.network_acts, name="network_acts"),
    path("lent/<str:token>/", files.lent, name="lent_file"),
    path("conversations/<int:pk>/files/", files.files, name="files"),
    path("conversations/<int:pk>/files/<uuid:key>/", files.file, name="file"),
    path("conversations/<int:pk>/files/<uuid:key>/removal/", files.removal, name="file_removal"),
    path("conversations/<int:pk>/draft/", replies.draft, name="draft"),
    path("conversations/<int:pk>/presence/", sides.here, name="presence"),
    path("conversations/<int:pk>/seen/", sides.seen, name="seen"),
    path("conversations/<int:pk>/trace/", sides.trace, name="trace"),
]
