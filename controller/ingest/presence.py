"""When is an agent there? Rules over its status messages, its reports and its silence. Pure."""

from contract.messages import Presence, Status
from controller.ingest.registry import AgentState

DEADLINE_MS = 45_000
"""An agent that says nothing for so long is taken for gone, whatever the broker thinks of its connection."""
PROOF_MS = 2_000
"""A report so much later than the will that ended the presence is a sign of life, and not one overtaken by it."""


def hear_status(agent: AgentState, status: Status, received_ms: int, *, retained: bool) -> bool:
    """Take over a status; False if it is a late one of an older connection.

    A will names the connection it belongs to. One of another epoch is only believed if it is what the broker has
    kept (nothing newer was said) or if the agent is not there anyway.
    """
    here = agent.presence == Presence.ONLINE
    if status.epoch == agent.epoch:
        if status.connection < agent.connection:
            return False
    elif status.presence is Presence.OFFLINE and here and not retained:
        return False
    first_of_connection = (status.epoch, status.connection) != (agent.epoch, agent.connection)
    if status.presence is Presence.ONLINE and first_of_connection and not retained:
        agent.clock_offset_ms = status.since_ms - received_ms
    if status.presence != agent.presence:
        agent.since_ms = received_ms
    agent.presence = status.presence
    agent.epoch = status.epoch
    agent.connection = status.connection
    if status.presence is Presence.ONLINE and not retained:
        agent.heard_ms = received_ms
    return True


def hear_report(agent: AgentState, newest_ms: int | None, received_ms: int) -> bool:
    """A report is a sign of life; whether it changed the agent's presence. `newest_ms`: its newest reading's time."""
    agent.heard_ms = max(agent.heard_ms, received_ms)
    if newest_ms is not None and (agent.clock_offset_ms is None or newest_ms - received_ms > agent.clock_offset_ms):
        agent.clock_offset_ms = newest_ms - received_ms
    if agent.presence == Presence.ONLINE or received_ms - agent.since_ms < PROOF_MS:
        return False
    agent.presence = Presence.ONLINE
    agent.since_ms = received_ms
    return True


def overdue(agent: AgentState, now_ms: int, connected_ms: int) -> bool:
    """Whether an agent that counts as present has said nothing for too long since we could hear it at all."""
    return agent.presence == Presence.ONLINE and now_ms - max(agent.heard_ms, connected_ms) > DEADLINE_MS


def give_up(agent: AgentState, now_ms: int) -> None:
    agent.presence = Presence.OFFLINE
    agent.since_ms = now_ms
