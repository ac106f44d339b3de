"""What the sign-in page shows."""

from dataclasses import dataclass

from controller.web.i18n import Language

ART = ("oo.u.o", ".wo.oo", "o.ou.o", "or.oo.", ".oo.mo")
"""Rows of the picture: o fine, u in use, w warning, m maintenance, r offline, a dot for a free place."""


@dataclass(frozen=True, slots=True)
class SigninError:
    """What went wrong and what can be done."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class SigninPage:
    error: SigninError | None
    next: str
    done: str = ""
    art: tuple[str, ...] = ART


def signin_page(error: str, minutes: int, next_page: str, language: Language, done: str = "") -> SigninPage:
    """`error` is "wrong", "wait" (with `minutes`) or empty; see controller.web.signin.

    `done` is "password" when somebody has just chosen one.
    """
    said = str(language.t("The password is saved. Sign in with it.")) if done == "password" else ""
    return SigninPage(_error(error, max(1, min(minutes, 60)), language), next_page, said)


def _error(error: str, minutes: int, language: Language) -> SigninError | None:
    if error == "wrong":
        return SigninError(
            str(language.t("User name or password not right yet")),
            str(
                language.t(
                    "Turn off the Vietnamese input method (Unikey, Telex) and Caps Lock, then type the password again."
                )
            ),
        )
    if error == "wait":
        return SigninError(
            str(language.t("Too many tries in a row")),
            str(
                language.tn(
                    "The account is safe. Try again in {n} minute, or ask an administrator to unlock it.",
                    "The account is safe. Try again in {n} minutes, or ask an administrator to unlock it.",
                    minutes,
                )
            ),
        )
    return None
