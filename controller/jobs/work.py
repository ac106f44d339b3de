"""What a machine does with a file: a printer prints it, a cutter cuts it, a kit runs it. Pure."""

from enum import StrEnum

from device_profiles.profile import Action, DeviceProfile


class Work(StrEnum):
    """Each is the name of the action that takes the file, and the `kind` of a review."""

    PRINT = "print"
    CUT = "cut"
    RUN = "run"


def taking(profile: DeviceProfile | None) -> Action | None:
    """The machine's action that takes a file; None if it takes none.

    What prints or cuts takes none before its profile says what a file may ask for.
    """
    for action in profile.actions.values() if profile else ():
        if action.file and action.name in tuple(Work) and (action.name == Work.RUN or _limited(profile)):
            return action
    return None


def work_of(profile: DeviceProfile | None, kind: object = None) -> Work:
    """Of a job: what its review says, which stays when the machine is exchanged, else what the machine does."""
    if kind in tuple(Work):
        return Work(str(kind))
    action = taking(profile)
    return Work(action.name) if action else Work.PRINT


def _limited(profile: DeviceProfile | None) -> bool:
    return profile is not None and "limits" in profile.options
