"""The pages that stand in the way of a sign-in: most of them are for a person and nobody else."""

from __future__ import annotations

from harvester.standin.exchange import Exchange
from harvester.standin.idp_scene import Scene, head
from harvester.standin.pages import MARKS, card, document, field


def captcha(scene: Scene) -> str:
    return card(
        head("Verify you are human", "One more step before you can go on."),
        '<iframe src="/captcha/widget" title="Security check"></iframe>'
        + scene.form('<button type="submit" name="action" value="go">Continue</button>'),
    )


def number_match(scene: Scene) -> str:
    return card(
        head(
            "Approve the sign-in",
            "Open your authenticator app and enter the number shown to sign in.",
        ),
        f'<div class="number">{scene.number}</div><p class="small mid">Waiting for you to approve…'
        '</p><p class="small mid foot"><a href="/help?about=no_phone">I cannot use my app right '
        "now</a></p>",
    )


def expired_password(scene: Scene) -> str:
    return card(
        head("Update your password", "Your password has expired. Choose a new one."),
        scene.form(
            field("Current password", "old", kind="password", autocomplete="current-password")
            + field("New password", "new", kind="password", autocomplete="new-password")
            + field("Confirm new password", "new2", kind="password", autocomplete="new-password")
            + '<button type="submit" name="action" value="go">Change password</button>'
        ),
    )


def enrolment(scene: Scene) -> str:
    return card(
        head(
            "Set up your authenticator",
            "Your organization requires more information to keep your account secure.",
        ),
        '<p class="small foot">Scan a picture with your phone, then enter the code it shows.</p>'
        + scene.form(
            '<button type="submit" name="action" value="setup">Set up now</button>'
            '<button class="ghost" type="submit" name="action" value="cancel">Cancel</button>'
        ),
    )


def choose_method(scene: Scene) -> str:
    return card(
        head("Verify it's you", "Choose how to get your code."),
        scene.form(
            '<button class="plain choice" type="submit" name="action" value="text_me">Text '
            'message to •••• ••42</button><button class="plain choice" type="submit" '
            'name="action" value="app">Authenticator app</button><button class="plain choice" '
            'type="submit" name="action" value="backup_code">Use a backup code</button>'
        ),
    )


def passkey_offer(scene: Scene) -> str:
    return card(
        head("Sign in faster with a passkey", "Use your fingerprint, face or screen lock."),
        scene.form(
            '<button type="submit" name="action" value="setup">Create a passkey</button>'
            '<button class="plain" type="submit" name="action" value="later">Not now</button>'
        ),
    )


def device_refused(scene: Scene) -> str:
    return card(
        head(
            "You can't get there from here",
            "This application can only be used from devices that meet the policy of your company. "
            "This browser is not supported.",
        ),
        '<p class="foot"><a href="/help?about=device">More details</a></p>',
    )


def policy_refusal(scene: Scene) -> str:
    return card(
        head(
            "Access denied",
            "Your administrator has not assigned you to Knoq. You do not have access.",
        ),
        '<p class="foot"><a href="/help?about=access">Ask for access</a></p>',
    )


def unknown(scene: Scene) -> str:
    return card(
        head("Almost there", "Which of these gardens have you watered before?"),
        scene.form(
            '<label class="tick"><input type="radio" name="garden" value="1"> The north one</label>'
            '<label class="tick"><input type="radio" name="garden" value="2"> The south one</label>'
            '<button type="submit" name="action" value="go">It was that one</button>'
        ),
    )


def error_500(scene: Scene) -> str:
    return card(
        head("Something went wrong", "We are working on it. Correlation id: 5c1f-77aa."), ""
    )


def captcha_widget(visit: Exchange) -> str:
    box = '<label class="tick"><input type="checkbox"> I am not a robot</label>'
    body = f'<div class="pad">{box}</div>'
    script = "document.querySelector('input').onchange=()=>fetch('/captcha/click',{method:'POST'})"
    return document("Security check", body, nonce=visit.nonce, kind="identity", script=script)


def _google_page(visit: Exchange, top: str, body: str) -> str:
    mark = f'<span class="mark">{MARKS["google"]}Google</span>'
    title = "Sign in - Google Accounts"
    return document(title, card(mark + top, body), nonce=visit.nonce, kind="google")


def google(visit: Exchange) -> str:
    body = (
        '<form method="post" action="/google/signin/identifier">'
        + field("Email or phone", "identifier", kind="email", autocomplete="username")
        + '<input class="away" type="password" name="hiddenPassword" tabindex="-1" '
        'aria-hidden="true"><div class="row ends"><a href="/help?about=create_account">Create '
        'account</a><button type="submit">Next</button></div></form>'
    )
    return _google_page(visit, "<h1>Sign in</h1><p>to continue to Knoq</p>", body)


def google_rejected(visit: Exchange) -> str:
    top = (
        "<h1>Couldn’t sign you in</h1>"
        "<p>This browser or app may not be secure. Try using a different browser.</p>"
    )
    again = '<a class="button" href="/google/signin/identifier">Try again</a>'
    return _google_page(visit, top, f'<p class="row right foot">{again}</p>')
