"""Who is told of a bulletin that is for nobody in particular. Pure."""

from collections.abc import Iterable, Sequence

from controller.identity.policy import Permission, Principal, Role, may
from controller.notifications.topics import FOR_STAFF, TOPIC_OF, Topic

_MACHINES = frozenset({Role.TECHNICIAN, Role.ADMINISTRATOR})


def may_hear(who: Principal, topic: Topic) -> bool:
    """Whether news of that topic ever comes to `who`."""
    if topic is Topic.REQUEST:
        return may(who, Permission.MANAGE_BOOKINGS)
    return topic not in FOR_STAFF or who.role in _MACHINES


def readers(kind: str, school_ids: Sequence[str], people: Iterable[Principal]) -> Sequence[Principal]:
    """Those of `people` who look after it: requests and machines of the schools in their scope."""
    topic = TOPIC_OF[kind]
    return [who for who in people if may_hear(who, topic) and any(who.scope.covers(each) for each in school_ids)]
