"""What the audit log's actions are called. A test holds this to the actions that the program writes."""

from collections.abc import Mapping

from markupsafe import Markup

from controller.web.i18n import Language


def action_words(words: Language) -> Mapping[str, Markup]:
    """Every action, by its stable name, in the order of the subjects."""
    return {**_people(words), **_machines(words), **_bookings(words), **_planning(words), **_controller(words)}


def action_word(action: str, words: Language) -> str:
    """An action of another version keeps its own name."""
    return str(action_words(words).get(action, action))


def _people(words: Language) -> Mapping[str, Markup]:
    return {
        "sign-in": words.t("Signed in"),
        "sign-in-failed": words.t("Sign-in refused"),
        "sign-in-blocked": words.t("Sign-in blocked after too many tries"),
        "sign-out": words.t("Signed out"),
        "user-add": words.t("Account made"),
        "user-password": words.t("Password changed"),
        "user-disable": words.t("Account disabled"),
        "user-enable": words.t("Account enabled"),
        "user-export": words.t("Personal data exported"),
        "user-erase": words.t("Person erased"),
        "user-change": words.t("Account changed"),
        "user-unlock": words.t("Account unlocked"),
        "reset-link": words.t("Link to choose a password made"),
        "session-end": words.t("Session ended"),
        "sessions-end": words.t("All sessions ended"),
        "oidc-link": words.t("Sign-in by a provider linked"),
        "oidc-unlink": words.t("Sign-in by a provider unlinked"),
        "command-rule": words.t("Permission at machines changed"),
        "notification-choose": words.t("Notifications chosen"),
        "notification-channel-add": words.t("Way to be notified added"),
        "notification-channel-remove": words.t("Way to be notified removed"),
        "notification-test": words.t("Notification tried"),
        "notification-retry": words.t("Notifications sent again"),
        "user-language": words.t("Language of the pages changed"),
        "token-add": words.t("Access token made"),
        "token-revoke": words.t("Access token revoked"),
        "token-refused": words.t("Access token refused"),
        "form-refused": words.t("Forged form refused"),
        "request-too-large": words.t("Request refused as too large"),
        "request-too-slow": words.t("Request refused as too slow"),
        "redirect-refused": words.t("Forged way back refused"),
        "path-refused": words.t("Path that leads out refused"),
        "file-name-refused": words.t("File refused whose name leads out"),
        "audit-export": words.t("Audit log exported"),
        "notice-seen": words.t("Notice marked as read"),
    }


def _machines(words: Language) -> Mapping[str, Markup]:
    return {
        "command": words.t("Command given"),
        "command-refused": words.t("Command refused"),
        "job-send": words.t("Job sent"),
        "job-release": words.t("Job released"),
        "job-return": words.t("Job handed back"),
        "job-cancel": words.t("Job cancelled"),
        "job-forget": words.t("Ended job removed to make room"),
        "lease-begin": words.t("Lease given"),
        "lease-change": words.t("Lease changed"),
        "lease-stretch": words.t("Lease prolonged"),
        "lease-end": words.t("Lease taken back"),
        "lease-book-refused": words.t("Forged lease refused by the agent"),
        "lease-book-unusable": words.t("Changed lease on disk refused by the agent"),
        "command-repeated": words.t("Command that came again not carried out"),
        "command-unknown": words.t("Agent was given a command that is not from here"),
        "device-name-script": words.t("Device with a script as its name"),
        "topic-refused": words.t("Broker refused a topic that is not one's own"),
        "message-too-large": words.t("Broker refused a message as too large"),
        "broker-sign-in-refused": words.t("Broker refused a sign-in"),
        "broker-sign-in-flood": words.t("Flood of wrong sign-ins at the broker"),
        "reclaim-refused": words.t("Agent with a false key refused new credentials"),
        "renewal-refused": words.t("Agent with a false proof refused new credentials"),
        "certificate-expired": words.t("Agent met a certificate that has ended"),
        "certificate-name": words.t("Agent met a certificate for another name"),
        "certificate-authority": words.t("Agent met a certificate of a stranger"),
        "enrol-token": words.t("Enrolment token made"),
        "enrol": words.t("Agent enrolled"),
        "enrol-unasked": words.t("Agent that is reset at each start let in unasked"),
        "enrol-token-end": words.t("Enrolment token ended"),
        "enrol-wait": words.t("Agent waits to be let in"),
        "enrol-admit": words.t("Agent let in"),
        "enrol-turn-away": words.t("Agent turned away"),
        "enrol-reclaim": words.t("Agent got its credentials anew"),
        "agent-split": words.t("Copied agents told apart"),
        "agent-revoke": words.t("Agent revoked"),
        "agent-flooding": words.t("Agent cut off for saying too much"),
        "agent-readmitted": words.t("Agent let in after a flood"),
        "credentials-asked": words.t("New credentials asked for"),
        "credentials-handed": words.t("New credentials handed over"),
        "enrol-refused": words.t("Enrolment refused"),
        "found-adopt": words.t("Found device adopted"),
        "found-ignore": words.t("Found device ignored"),
        "found-restore": words.t("Found device shown again"),
        "found-give-back": words.t("Device given back"),
        "command-tried": words.t("Command tried at the machine"),
        "settings-change": words.t("Settings of agents changed"),
        "settings-back": words.t("Settings of agents set back"),
        "device-wanted": words.t("Device given to an agent"),
        "device-unwanted": words.t("Device taken from an agent"),
    }


def _bookings(words: Language) -> Mapping[str, Markup]:
    return {
        "booking-make": words.t("Booking made"),
        "booking-move": words.t("Booking moved"),
        "booking-confirmed": words.t("Request confirmed"),
        "booking-offered": words.t("Offered from the waitlist"),
        "booking-requested": words.t("Offer accepted, waits for approval"),
        "booking-checked-in": words.t("Checked in"),
        "booking-stand-by": words.t("Supervisor present"),
        "booking-end": words.t("Booking ended"),
        "kit-hand-out": words.t("Kits taken out"),
        "kit-give-back": words.t("Kits brought back"),
        "kit-mend": words.t("Kits mended"),
        "kit-parts": words.t("Parts of a kit written"),
        "problem-report": words.t("Problem reported"),
        "use-without-booking-report": words.t("Use without a booking told"),
        "calendar-feed-make": words.t("Calendar address made"),
        "calendar-feed-renew": words.t("Calendar address renewed"),
        "calendar-feed-revoke": words.t("Calendar address taken back"),
        "board-key-make": words.t("Board address made"),
        "board-key-take-back": words.t("Board address taken back"),
    }


def _planning(words: Language) -> Mapping[str, Markup]:
    return {
        "year-write": words.t("School year saved"),
        "year-remove": words.t("School year removed"),
        "room-write": words.t("Room saved"),
        "hours-write": words.t("Opening hours saved"),
        "closure-write": words.t("Closure saved"),
        "closure-remove": words.t("Closure removed"),
        "thing-write": words.t("Machine saved for booking"),
        "thing-retire": words.t("Machine taken out of booking"),
        "limits-write": words.t("Booking limits saved"),
        "certificate-write": words.t("Certificate given"),
        "certificate-remove": words.t("Certificate taken back"),
        "import": words.t("Table imported"),
    }


def _controller(words: Language) -> Mapping[str, Markup]:
    return {
        "authority-made": words.t("Certificate authority made"),
        "authority-succeeded": words.t("Certificate authority succeeded"),
        "home-assistant-on": words.t("Home Assistant switched on"),
        "home-assistant-off": words.t("Home Assistant switched off"),
        "home-assistant-account-make": words.t("Account for Home Assistant made"),
        "home-assistant-account-revoke": words.t("Account for Home Assistant revoked"),
        "webhook-add": words.t("Webhook added"),
        "webhook-renew": words.t("Secret of a webhook renewed"),
        "webhook-remove": words.t("Webhook removed"),
        "webhook-test": words.t("Webhook tried"),
        "webhook-retry": words.t("Delivery to a webhook sent again"),
        "restore": words.t("Backup restored"),
        "demo-seeded": words.t("Demo data made"),
    }
