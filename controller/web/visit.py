"""What the pages of devices and jobs share: a look at one device, forms that are sent in, and refusals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from contract.model import Quality, Value
from controller.commands.errors import CommandError, NoSuchDevice, NotAllowed, NotNow, WrongCommand
from controller.fleet.picture import DeviceView
from controller.identity.policy import Permission, Principal, may
from controller.jobs.errors import JobError, NoRoom, NoSuchJob, NotInThisState, WrongFile
from controller.jobs.work import Work, taking, work_of
from controller.services import Services
from controller.web import command_words, job_words
from controller.web.frame import language_of, render
from controller.web.i18n import Language
from device_profiles.profile import DeviceProfile

MOST_FIELDS: Final = 80
_STATUS: Final[Mapping[type[Exception], int]] = {
    NoSuchDevice: 404,
    NotAllowed: 403,
    WrongCommand: 422,
    NotNow: 409,
    NoSuchJob: 404,
    WrongFile: 422,
    NotInThisState: 409,
    NoRoom: 507,
}


async def form(request: Request) -> Mapping[str, str]:
    """The fields of a form that was sent in, files left out."""
    data = await request.form(max_files=0, max_fields=MOST_FIELDS)
    return {name: value for name, value in data.items() if isinstance(value, str)}


Form: TypeAlias = Annotated[Mapping[str, str], Depends(form)]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something was not done, in the reader's language."""

    status: int
    text: str


def refused(error: CommandError | JobError, words: Language) -> Refused:
    """An error of the services in the reader's words; one that has none keeps its own."""
    text = command_words.refusal(error.code, words) or job_words.refusal(error.code, words)
    return Refused(_STATUS[type(error)], text or str(error))


def is_part(request: Request) -> bool:
    """Whether htmx asks, which puts the answer into the page that is there."""
    return request.headers.get("hx-request") == "true"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at one device. A device outside of the scope is answered with 404."""

    services: Services
    request: Request
    who: Principal
    device_id: int

    @property
    def language(self) -> Language:
        return language_of(self.request)

    @property
    def device(self) -> DeviceView:
        try:
            return self.services.live.device(self.who.scope, self.device_id)
        except KeyError:
            raise HTTPException(404, "no such device") from None

    @property
    def profile(self) -> DeviceProfile | None:
        try:
            return self.services.live.profile(self.who.scope, self.device_id)
        except KeyError:
            raise HTTPException(404, "no such device") from None

    @property
    def values(self) -> Mapping[str, Value | None]:
        """What can be trusted now, by metric."""
        found = self.services.live.values(self.who.scope, self.device_id)
        return {each.metric: each.value for each in found if each.quality is Quality.GOOD}

    @property
    def in_use(self) -> bool:
        profile = self.profile
        return profile is not None and self.values.get(profile.in_use) is True

    @property
    def fleet(self) -> bool:
        """Whether the visitor may see the fleet page."""
        return may(self.who, Permission.VIEW_FLEET)

    @property
    def takes_files(self) -> bool:
        """Whether the machine takes files, and the visitor may handle its jobs."""
        return taking(self.profile) is not None and may(self.who, Permission.HANDLE_JOBS)

    @property
    def work(self) -> Work:
        """What the machine does with a file."""
        return work_of(self.profile)

    def render(self, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        return render(self.services, self.request, template, values, status=status)

    def say(self, why: Refused, slot: str) -> HTMLResponse:
        """A refusal alone, for htmx to put into `slot`, a selector."""
        answer = self.render("refusal.html", status=why.status, text=why.text)
        answer.headers.update({"HX-Retarget": slot, "HX-Reswap": "innerHTML", "HX-Reselect": ".note"})
        return answer
