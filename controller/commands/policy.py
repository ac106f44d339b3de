"""Who may have which machine do what: role x class of machine x action. Pure. Whose machines, the scope says."""

from typing import Final

from contract.lease import STOP
from controller.identity.policy import Permission, Principal, Role, may
from device_profiles.profile import Action, DeviceProfile

_FREE: Final = frozenset({"projector", "board", "robot", "kit"})
"""Families whose every action is a teacher's to ask for."""
_WATCHED: Final = frozenset({"printer-3d", "laser"})
"""Families that a teacher halts and lets go on. What they make begins at a job."""
_WATCHED_ACTIONS: Final = frozenset({"pause", "resume"})
_SIMULATED: Final = "simulated"
_TEACHING: Final = frozenset({Role.TEACHER, Role.COORDINATOR})


def may_command(who: Principal, profile: DeviceProfile, action: Action) -> bool:
    """Whether `who` may ask a machine of that profile for `action`.

    Everybody stops what they see. A real machine that the profile was never verified against is for technicians.
    """
    if not may(who, Permission.COMMAND):
        return False
    if action.name == STOP or who.role not in _TEACHING:
        return True
    if profile.verified is None and profile.bridge != _SIMULATED:
        return False
    if profile.family in _FREE:
        return True
    return profile.family in _WATCHED and (action.name in _WATCHED_ACTIONS or action.file)
