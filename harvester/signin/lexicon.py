"""The words that sign-in pages use, as data: verbs, nouns and phrases in a dozen languages.

Compared with ``observe.plain`` text (lower case, straight quotes).  Browsers are asked for English
and most providers answer in it; the other languages are for those that do not.  The words refine:
which field is which is told first by type and ``autocomplete``, which no translation changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


def _any(*words: str) -> re.Pattern[str]:
    """Any of the words: from the start of a word where the script has words."""
    spelled = (rf"\b(?:{w})" if re.match(r"[\w(]", w) and w.isascii() else w for w in words)
    return re.compile("|".join(spelled))


def _whole(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\W*(?:{'|'.join(words)})\W*")


# Buttons that go on with a sign-in.
GO_ON: Final = _any(
    "sign in", "sign on", "log ?in", "log ?on", "next", "continue", "submit", "verify", "confirm",
    "proceed", "go on", "unlock$", "anmelden", "einloggen", "weiter", "bestätigen", "se connecter",
    "connexion", "suivant", "continuer", "valider", "iniciar sesión", "acceder", "entrar",
    "siguiente", "continuar", "avançar", "próxim", "seguinte", "accedi", "avanti", "continua",
    "conferma", "inloggen", "aanmelden", "volgende", "doorgaan", "ログイン", "サインイン", "次へ",
    "続行", "登录", "登入", "下一步", "继续", "로그인", "다음", "계속", "zaloguj", "dalej",
    "kontynuuj", "logga in", "nästa", "fortsätt", "oturum aç", "giriş", "ileri", "devam",
)  # fmt: skip

# Buttons that lead away from a sign-in, or that only a person may press.
LEAD_AWAY: Final = _any(
    "cancel", "back\\b", "sign ?up", "register", "create", "get started", "join", "forgot",
    "forgotten", "reset", "another way", "other way", "other option", "more option", "try another",
    "different account", "another account", "not you", "switch", "show", "hide", "language",
    "theme", "dark", "light mode", "help", "need help", "contact", "learn more", "privacy",
    "terms", "log ?out", "sign ?out", "decline", "deny", "close", "resend", "send me", "send a",
    "send code", "text me", "call me", "e-?mail me", "backup code", "recovery", "lost", "skip",
    "subscribe", "search", "passkey", "security key", "fingerprint", "qr", "subscribe", "demo",
    "abbrechen", "zurück", "registrieren", "vergessen", "abmelden", "annuler", "retour",
    "s'inscrire", "oublié", "cancelar", "volver", "registrarse", "olvid", "voltar", "esquec",
    "annulla", "indietro", "registrati", "dimenticat", "annuleren", "terug", "vergeten",
    "キャンセル", "戻る", "登録", "忘れ", "取消", "返回", "注册", "忘记", "취소", "뒤로", "가입",
    "anuluj", "wstecz", "zarejestruj", "avbryt", "tillbaka", "glömt", "iptal", "geri", "unuttum",
)  # fmt: skip

# The way in, on a page that is not yet a sign-in page.
_SIGN_IN = (
    "sign ?in", "log ?in", "sign on", "log on", "login", "anmelden", "einloggen", "se connecter",
    "connexion", "iniciar sesión", "acceder", "entrar", "accedi", "inloggen", "aanmelden",
    "ログイン", "サインイン", "登录", "登入", "로그인", "zaloguj( się)?", "logga in", "oturum aç",
    "giriş( yap)?",
)  # fmt: skip
SIGN_IN: Final = _whole(*_SIGN_IN)
# The same anywhere in a heading or a button: "Log in or sign up" is a sign-in page too.
SIGNS_IN: Final = _any(*_SIGN_IN)
SIGN_UP: Final = _any(
    "sign ?up", "create (an |your |my )?(new )?account", "register", "registration", "join ",
    "registrieren", "konto erstellen", "s'inscrire", "créer un compte", "registrarse",
    "crear cuenta", "criar conta", "registrati", "registreren", "新規登録", "注册", "회원가입",
)  # fmt: skip

CODE: Final = _any(
    "one-?time", "otp", "totp", "2fa", "mfa", "passcode", "pass code", "verification", "verify",
    "authenticator", "two-?step", "two-?factor", "security code", "6-digit", "bestätigungscode",
    "einmal", "code de", "código", "codice", "認証コード", "ワンタイム", "验证码", "인증", "kod",
)  # fmt: skip
NOT_CODE: Final = _any(
    "e-?mail", "user", "postal", "zip", "coupon", "promo", "country", "discount", "voucher",
    "phone", "search", "referral", "invite",
)  # fmt: skip
PASSWORD: Final = _any(
    "password", "passphrase", "passwort", "kennwort", "mot de passe", "contraseña", "senha",
    "palavra-passe", "wachtwoord", "パスワード", "密码", "密碼", "비밀번호", "hasło", "lösenord",
    "parola", "şifre",
)  # fmt: skip
NEW_PASSWORD: Final = _any(
    "new.?password", "confirm.?(new.?)?password", "repeat.?password", "password.?(2|confirm|again)",
    "neues passwort", "nouveau mot de passe", "nueva contraseña", "nova senha", "nuova password",
)  # fmt: skip
USER: Final = _any(
    "user", "login", "identifier", "uid", "e-?mail", "account", "benutzer", "utilisateur",
    "usuario", "utilizador", "utente", "gebruiker", "ユーザー", "メール", "用户", "邮箱", "사용자",
    "이메일", "użytkownik", "användar", "kullanıcı", "e-posta",
)  # fmt: skip
NOT_USER: Final = _any(
    "search", "newsletter", "coupon", "promo", "subscribe", "full name", "first name", "last name",
    "company name", "phone", "postal", "zip", "city", "street", "comment", "message", "website",
)  # fmt: skip
ORGANIZATION: Final = _any(
    "organi[sz]ation", "slug", "workspace", "team", "tenant", "company", "firma", "unternehmen",
    "entreprise", "empresa", "azienda", "組織", "组织", "조직",
)  # fmt: skip
NEWSLETTER: Final = _any("newsletter", "subscribe", "mailing list", "stay up to date", "news,")

# Page titles and headings that say what is asked.
CHOOSE_ORGANIZATION: Final = re.compile(
    r"(choose|select|pick|switch|which|your|wähle\w*|choisi\w*|selec\w*|elig\w*)\b.{0,30}"
    r"\b(organi[sz]ations?|workspaces?|teams?|tenants?|companies|company|organisation\w*)"
    r"|組織を選択|选择组织|조직 선택"
)
CHOOSE_ACCOUNT: Final = re.compile(
    r"(choose|select|pick|wähle\w*|choisi\w*|selec\w*)\b.{0,20}\b(account|konto|compte|cuenta)"
    r"|アカウントの選択|选择.{0,4}帐"
)
CHOOSE_METHOD: Final = re.compile(
    r"(choose|select|pick)\b.{0,20}\b(how|method|way|factor|authenticator)"
    r"|verify (it's you|your identity)"
)
OTHER_ACCOUNT: Final = _any(
    "use another account", "use a different account", "add (an )?account", "another account",
    "anderes konto", "autre compte", "otra cuenta",
)  # fmt: skip
CREATE: Final = _any("create", "new organi", "add ", "join", "erstellen", "créer", "crear", "criar")
LEAVE: Final = _any("log ?out", "sign ?out", "back\\b", "cancel", "help", "abmelden", "privacy")
METHOD_APP: Final = _any(
    "authenticator", "authentication app", "google authenticator", "totp", "verification app",
    "code from (your|an|the) app", "use (a |the )?verification code",
)  # fmt: skip

STAY: Final = _any(
    "stay signed in", "keep me (signed|logged) in", "remember (me|this)", "trust this",
    "don't ask again on this", "angemeldet bleiben", "rester connecté", "mantener la sesión",
    "サインインの状態を維持", "保持登录",
)  # fmt: skip
CONSENT: Final = _any(
    "wants? to access", "wants? access", "would like (to access|permission|to)", "requests? access",
    "permissions? requested", "grant access", "authori[sz]e ", "is requesting", "asks? for access",
    "release of information", "information to be (released|provided)", "approve access",
    "möchte auf", "souhaite accéder", "quiere acceder", "アクセスを許可", "请求访问",
)  # fmt: skip
PASSKEY: Final = _any("passkey", "face id", "windows hello", "security key", "biometric")
YES: Final = _whole(
    "yes", "ok", "okay", "allow", "accept", "agree", "i agree", "authori[sz]e.{0,40}", "approve",
    "grant( access)?", "continue", "trust( (this )?(browser|device))?", "stay signed in",
    "yes, .{0,40}", "ja", "zulassen", "erlauben", "oui", "autoriser", "sí", "permitir", "consenti",
    "toestaan", "はい", "許可", "是", "允许", "예", "허용", "tak", "zezwól", "tillåt", "evet",
)  # fmt: skip
NOT_NOW: Final = _any(
    "not now", "maybe later", "later", "skip", "no,? thanks", "remind me", "nicht jetzt",
    "später", "plus tard", "ahora no", "agora não", "non ora", "niet nu", "今はしない", "暂不",
    "나중에",
)  # fmt: skip

COOKIE_BANNER: Final = _any("cookie", "we value your privacy", "tracking technolog")
REJECT: Final = _any(
    "reject", "decline", "refuse", "deny", "only (necessary|essential)",
    "(necessary|essential) only", "ablehnen", "nur notwendige", "refuser", "rechazar",
    "recusar", "rifiuta", "weigeren", "拒否", "拒绝", "거부", "odrzuć", "avvisa", "reddet",
)  # fmt: skip
ACCEPT: Final = _any(
    "accept", "agree", "allow", "got it", "ok\\b", "understood", "akzeptieren", "zustimmen",
    "accepter", "aceptar", "aceitar", "accetta", "accepteren", "同意", "接受", "동의",
)  # fmt: skip

# "Continue with Google": the name behind the preposition is the provider's.
WITH_PROVIDER: Final = re.compile(
    r"(?:(?:continue|sign in|sign on|log in|login|log on|connect|anmelden|weiter|continuer|"
    r"se connecter|continuar|iniciar sesión|entrar|continua|accedi|inloggen|doorgaan)\s+"
    r"(?:with|using|via|by|mit|avec|con|com|met)\s+|use\s+)(?P<name>.{2,40})"
)
SINGLE_SIGN_ON: Final = _any("sso\\b", "single sign-?on", "saml", "enterprise")
# Ways in that need a mailbox, a telephone or a finger.
NOT_OURS: Final = _any(
    "e-?mail", "magic link", "phone", "sms", "passkey", "security key", "password", "qr code",
    "backup", "another", "different", "recovery",
)  # fmt: skip
# Well-known providers, with the host names (and everything below them) where they ask.
PROVIDER_HOSTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "google": ("accounts.google.com",),
        "microsoft": ("login.microsoftonline.com", "login.live.com", "login.microsoft.com"),
        "github": ("github.com",),
        "gitlab": ("gitlab.com",),
        "apple": ("appleid.apple.com",),
        "vercel": ("vercel.com",),
        "slack": ("slack.com",),
        "discord": ("discord.com",),
        "linkedin": ("www.linkedin.com",),
        "facebook": ("www.facebook.com",),
        "twitter": ("twitter.com", "x.com"),
        "amazon": ("www.amazon.com",),
        "atlassian": ("id.atlassian.com",),
        "bitbucket": ("bitbucket.org",),
        "hubspot": ("app.hubspot.com",),
        "yahoo": ("login.yahoo.com",),
    }
)
# It says so itself ("this browser or app may not be secure"), to every program.
REFUSES_AUTOMATION: Final = "google"
