"""What the pages say of a job by what its machine does: a printer prints, a cutter cuts, a kit runs a program."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from controller.jobs.work import Work
from controller.web.i18n import Language


@dataclass(frozen=True, slots=True)
class Speech:
    """One kind of work in one language: titles, buttons, states and sentences."""

    jobs: Markup
    none_yet: Markup
    send: Markup
    choose: Markup
    kinds: Markup
    type: Markup
    checking: Markup
    refused: Markup
    mend: Markup
    release_title: Markup
    look: Markup
    release: Markup
    working: Markup
    untold: Markup
    began: Markup
    let_go: Markup
    done: Markup
    tidy_up: Markup
    failed: Markup
    cancel: Markup
    cancel_question: Markup
    log: Markup


def speech(work: Work, words: Language) -> Speech:
    return _SPEECHES[work](words)


def share_done(work: Work, percent: str, words: Language) -> Markup:
    """How far it is, for the ear; nothing of a program, which does not tell."""
    if work is Work.RUN:
        return Markup()
    return (
        words.t("{percent} cut", percent=percent) if work is Work.CUT else words.t("{percent} printed", percent=percent)
    )


def under_way(work: Work, job: str, percent: str, words: Language) -> Markup:
    """What would be lost if the machine were stopped now. `percent` is empty if the machine does not say."""
    if work is Work.RUN:
        return words.t("“{job}” is running.", job=job)
    if work is Work.CUT:
        if percent:
            return words.t("“{job}” is being cut, {percent} is done.", job=job, percent=percent)
        return words.t("“{job}” is being cut.", job=job)
    if percent:
        return words.t("“{job}” is being printed, {percent} is done.", job=job, percent=percent)
    return words.t("“{job}” is being printed.", job=job)


def _print(words: Language) -> Speech:
    t = words.t
    return Speech(
        jobs=t("Print jobs"),
        none_yet=t("No print job has been sent yet"),
        send=t("Send a print job"),
        choose=t("Choose a .gcode file"),
        kinds=t("A model (.stl, .3mf) is sliced for this machine first."),
        type=t("This is not a G-code text file. Slice a model for this machine first, and send the .gcode file."),
        checking=t(
            "Every line is read: whether this machine may do it, how long it takes, how much filament it needs. "
            "This page goes on by itself."
        ),
        refused=t("Why this machine does not print the file"),
        mend=t("Slice the model for this machine again, and send the new file."),
        release_title=t("Release the print job"),
        look=t("I have looked at the bed: it is empty and clean"),
        release=t("Release and print"),
        working=t("Printing"),
        untold=t("The machine does not say how far it is"),
        began=t("The machine began to print"),
        let_go=t("Released; the bed was clear"),
        done=t("Printed"),
        tidy_up=t("Take the print off, and leave the bed empty and clean."),
        failed=t("The print did not succeed"),
        cancel=t("Cancel the print job"),
        cancel_question=t("Cancel this print job?"),
        log=t("Log of the print job"),
    )


def _cut(words: Language) -> Speech:
    t = words.t
    return Speech(
        jobs=t("Cut jobs"),
        none_yet=t("No cut job has been sent yet"),
        send=t("Send a cut job"),
        choose=t("Choose a .gcode or .nc file"),
        kinds=t("A drawing (.svg, .dxf) is exported as G-code for this machine first."),
        type=t("This is not a G-code text file. Export the drawing as G-code for this machine, and send that file."),
        checking=t(
            "Every line is read: whether this machine may do it, how long it takes, how much power it asks for. "
            "This page goes on by itself."
        ),
        refused=t("Why this machine does not cut the file"),
        mend=t("Export the drawing for this machine again, and send the new file."),
        release_title=t("Release the cut job"),
        look=t("I stand beside the machine: the material lies flat, the lid is closed, the extractor runs, and I stay"),
        release=t("Release and cut"),
        working=t("Cutting"),
        untold=t("The machine does not say how far it is"),
        began=t("The machine began to cut"),
        let_go=t("Released; somebody stayed beside the machine"),
        done=t("Cut to its end"),
        tidy_up=t("Take out the pieces and the offcuts, and leave the machine clean."),
        failed=t("The cut did not succeed"),
        cancel=t("Cancel the cut job"),
        cancel_question=t("Cancel this cut job?"),
        log=t("Log of the cut job"),
    )


def _run(words: Language) -> Speech:
    t = words.t
    return Speech(
        jobs=t("Programs"),
        none_yet=t("No program has been sent yet"),
        send=t("Send a program"),
        choose=t("Choose a .py file"),
        kinds=t("A program in MicroPython as text; from blocks, export its Python first."),
        type=t("This is not a program in MicroPython. Send its text, a .py file."),
        checking=t("The program is read: whether it is Python, and what it uses. This page goes on by itself."),
        refused=t("Why this kit does not run the program"),
        mend=t("Mend the program, and send the new file."),
        release_title=t("Release the program"),
        look=t("I have looked at the kit: it may move, and nothing is in its way"),
        release=t("Release and run"),
        working=t("Running"),
        untold=t("It runs until it ends or is stopped"),
        began=t("The kit began to run it"),
        let_go=t("Released; the kit was free to move"),
        done=t("Run to its end"),
        tidy_up=t("Switch the kit off if nobody uses it next."),
        failed=t("The program ended with an error"),
        cancel=t("Cancel the program"),
        cancel_question=t("Cancel this program?"),
        log=t("Log of the program"),
    )


_SPEECHES: Final[Mapping[Work, Callable[[Language], Speech]]] = {Work.PRINT: _print, Work.CUT: _cut, Work.RUN: _run}
