"""What the sign-in page shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.identity.oidc import Code
from controller.identity.oidc_provider import Provider
from controller.web.access import PROVIDERS
from controller.web.i18n import Language

ART = ("oo.u.o", ".wo.oo", "o.ou.o", "or.oo.", ".oo.mo")
"""Rows of the picture: o fine, u in use, w warning, m maintenance, r offline, a dot for a free place."""
LEFT: Final = "left-"
"""Before the name of the provider by whose word somebody had come in who just signed out."""
_Say: TypeAlias = Callable[[Language], str]
_NOT_IN: Final[Mapping[Code, tuple[_Say, _Say]]] = {
    Code.CANCELLED: (
        lambda words: words.t("Signing in was stopped there"),
        lambda words: words.t("Nothing has happened. Try again, or sign in with a password."),
    ),
    Code.STATE: (
        lambda words: words.t("This took too long, or was begun in another window"),
        lambda words: words.t("Begin again from this page."),
    ),
    Code.PROVIDER: (
        lambda words: words.t("The provider does not answer as it should"),
        lambda words: words.t("Try again in a while, or sign in with a password."),
    ),
    Code.TOKEN: (
        lambda words: words.t("The provider's answer could not be trusted"),
        lambda words: words.t("Nobody was let in. Tell an administrator if it happens again."),
    ),
    Code.DOMAIN: (
        lambda words: words.t("This account is not one of the school's"),
        lambda words: words.t("Choose the account that the school has given."),
    ),
    Code.UNVERIFIED: (
        lambda words: words.t("The e-mail address has not been verified there yet"),
        lambda words: words.t("Verify it at the provider, then sign in again."),
    ),
    Code.WAITING: (
        lambda words: words.t("An administrator lets you in first"),
        lambda words: words.t("Your request has arrived. Sign in again once they have looked at it."),
    ),
    Code.DISABLED: (
        lambda words: words.t("This account is disabled"),
        lambda words: words.t("An administrator can let you in again."),
    ),
    Code.UNKNOWN: (
        lambda words: words.t("There is no account for this person yet"),
        lambda words: words.t("An administrator adds one; then link it on the page of your account."),
    ),
    Code.TAKEN: (
        lambda words: words.t("This provider's account belongs to somebody else here"),
        lambda words: words.t("An administrator can part the two."),
    ),
}


@dataclass(frozen=True, slots=True)
class SigninError:
    """What went wrong and what can be done."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ProviderButton:
    href: str
    title: str


@dataclass(frozen=True, slots=True)
class SigninPage:
    """`farewell` is where somebody who came in by a provider signs out there too."""

    error: SigninError | None
    next: str
    done: str = ""
    providers: tuple[ProviderButton, ...] = ()
    farewell: ProviderButton | None = None
    art: tuple[str, ...] = ART


def signin_page(
    error: str, minutes: int, next_page: str, language: Language, *, done: str, providers: Sequence[Provider]
) -> SigninPage:
    """`error` is "wrong", "wait" (with `minutes`), an `oidc.Code` or empty; see controller.web.signin.

    `done` is "password" when somebody has just chosen one, or `LEFT` and a provider.
    """
    said = str(language.t("The password is saved. Sign in with it.")) if done == "password" else ""
    left = next((each for each in providers if done == LEFT + each.name), None)
    return SigninPage(
        error=_error(error, max(1, min(minutes, 60)), language),
        next=next_page,
        done=said,
        providers=tuple(ProviderButton(PROVIDERS + each.name, each.label) for each in providers),
        farewell=ProviderButton(f"{PROVIDERS}{left.name}/leave", left.label) if left else None,
    )


def not_in(code: str, language: Language) -> SigninError | None:
    """Why nobody came in by a provider; None for what is no such code."""
    if code not in set(Code):
        return None
    title, text = _NOT_IN[Code(code)]
    return SigninError(str(title(language)), str(text(language)))


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
    return not_in(error, language)
