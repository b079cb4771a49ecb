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
    "connexion", "suivant", "continuer", "valider", "iniciar sesión", "iniciar sessão", "acceder",
    "ingresar", "entrar", "siguiente", "continuar", "verificar", "avançar", "próxim", "seguinte",
    "accedi", "avanti", "continua", "conferma", "verifica", "inloggen", "aanmelden", "volgende",
    "doorgaan", "bevestigen", "ログイン", "サインイン", "次へ", "続行", "続ける", "確認", "登录",
    "登入", "下一步", "继续", "确认", "验证", "로그인", "다음", "계속", "확인", "zaloguj", "dalej",
    "kontynuuj", "potwierdź", "logga in", "nästa", "fortsätt", "bekräfta", "oturum aç", "giriş",
    "ileri", "devam", "doğrula",
)  # fmt: skip

# Buttons that lead away from a sign-in, or that only a person may press.
LEAD_AWAY: Final = _any(
    "cancel", "back\\b", "sign ?up", "register", "create", "get started", "join", "forgot",
    "forgotten", "reset", "another way", "other way", "other option", "more option", "try another",
    "different account", "another account", "not you", "switch", "show", "hide", "language",
    "theme", "dark", "light mode", "help", "need help", "contact", "learn more", "privacy",
    "terms", "log ?out", "sign ?out", "decline", "deny", "close", "resend", "send me", "send a",
    "send code", "text me", "call me", "e-?mail me", "backup code", "recovery", "lost", "skip",
    "subscribe", "search", "passkey", "security key", "fingerprint", "qr", "demo", "without",
    "guest", "edit\\b", "change", "restart", "start over", "trouble", "can't", "sign-?in options",
    "other (method|device|way)", "instead", "not \\w+\\?",
    "something else",
    "abbrechen", "zurück", "registrieren", "vergessen", "abmelden", "annuler", "retour",
    "s'inscrire", "oublié", "cancelar", "volver", "registrarse", "olvid", "voltar", "esquec",
    "annulla", "indietro", "registrati", "dimenticat", "annuleren", "terug", "vergeten",
    "créer", "crear", "regístr", "cadastr", "criar", "crea\\b", "aanmaken", "registre",
    "キャンセル", "戻る", "登録", "作成", "忘れ", "取消", "返回", "注册", "註冊", "忘记", "忘記",
    "취소", "뒤로", "가입", "잊으", "찾기", "anuluj", "wstecz", "zarejestruj", "załóż", "pamiętasz",
    "zapomnia", "avbryt", "tillbaka", "glömt", "skapa", "iptal", "geri\\b", "unuttu", "kayıt",
)  # fmt: skip

# Buttons that no rule of a person may have pressed: they make or lose something.
NEVER_PRESSED: Final = _any(
    "sign ?up", "register", "create (an?|your|my) ", "forgot", "forgotten", "reset",
    "log ?out", "sign ?out", "subscribe", "delete", "registrieren", "konto erstellen", "vergessen",
    "abmelden", "s'inscrire", "oublié", "se déconnecter", "registrarse", "olvid", "cerrar sesión",
    "esquec", "registrati", "dimenticat", "vergeten", "uitloggen", "登録", "忘れ", "注册",
    "忘记", "退出", "가입", "zarejestruj", "glömt", "unuttum",
)  # fmt: skip

# The way in, on a page that is not yet a sign-in page.
_SIGN_IN = (
    "sign ?in", "log ?in", "sign on", "log on", "login", "anmelden", "anmeldung", "einloggen",
    "se connecter", "connexion", "s'identifier", "iniciar sesión", "inicia sesión", "acceder",
    "ingresar", "entrar", "iniciar sessão", "fazer login", "accedi", "inloggen", "aanmelden",
    "ログイン", "サインイン", "登录", "登入", "로그인", "zaloguj( się)?", "logowanie", "logga in",
    "oturum aç", "giriş( yap)?",
)  # fmt: skip
SIGN_IN: Final = _whole(*_SIGN_IN)
# The same anywhere in a heading or a button: "Log in or sign up" is a sign-in page too.
SIGNS_IN: Final = _any(*_SIGN_IN)
SIGN_UP: Final = _any(
    "sign ?up", "create (an |your |my )?(new )?account", "register", "registration", "join ",
    "registrieren", "konto erstellen", "s'inscrire", "inscription", "créer un compte",
    "registrarse", "regístr", "crear (una )?cuenta", "criar (uma )?conta", "cadastr", "registrati",
    "crea (un )?account", "registreren", "registreer", "account aanmaken", "新規登録", "会員登録",
    "アカウントを?作成", "注册", "註冊", "회원가입", "zarejestruj", "załóż konto", "skapa konto",
    "registrera", "kayıt ol", "hesap oluştur", "üye ol",
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
    "user", "login", "identifier", "uid", "e-?mail", "account", "benutzer", "nutzer", "kennung",
    "anmeldename", "utilisateur", "identifiant", "courriel", "usuario", "correo", "usuário",
    "utilizador", "utente", "gebruiker", "ユーザー", "メール", "ログインid", "用户", "邮箱", "账号",
    "帐号", "账户", "사용자", "이메일", "아이디", "użytkownik", "användar", "e-post", "kullanıcı",
)  # fmt: skip
NOT_USER: Final = _any(
    "search", "newsletter", "coupon", "promo", "subscribe", "full name", "first name", "last name",
    "company name", "postal", "zip", "city", "street", "comment", "message", "website",
    "leave (this|it|blank|empty)", "if you are (a )?human", "do not fill",
)  # fmt: skip
# "Email or phone" is a user name; a telephone number alone is not.
PHONE: Final = _any("phone", "mobile", "telefon", "téléphone", "teléfono", "電話", "手机", "휴대폰")
# Of a device or a card: neither the password nor a one-time code.
PIN: Final = re.compile(r"\bpin\b")
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
    r"(choose|select|pick|wähle\w*|choisi\w*|selec\w*|elij\w*|elig\w*|esco\w*|sceg\w*|kies"
    r"|wybierz|välj)\b.{0,20}\b(account|konto|compte|cuenta|conta)"
    r"|アカウント(の|を)選択|选择.{0,4}[帐账]|계정 선택|hesap seç"
)
CHOOSE_METHOD: Final = re.compile(
    r"(choose|select|pick)\b.{0,20}\b(how|method|way|factor|authenticator)"
    r"|verify (it's you|your identity)"
)
OTHER_ACCOUNT: Final = _any(
    "use another account", "use a different account", "add (an )?account", "another account",
    "anderes konto", "autre compte", "otra cuenta",
)  # fmt: skip
ENDS_ACCOUNT: Final = re.compile(
    r"(remove|forget|delete|sign ?out|log ?out|disconnect|unlink|not |switch from|entfernen"
    r"|vergessen|abmelden|löschen|supprimer|oublier|déconnecter|eliminar|quitar|cerrar|remover|rimuovi"
    r"|verwijder|usuń|wyloguj|ta bort|kaldır|削除|移除|退出|삭제)"
)
CREATE: Final = _any("create", "new organi", "add ", "join", "erstellen", "créer", "crear", "criar")
LEAVE: Final = _any("log ?out", "sign ?out", "back\\b", "cancel", "help", "abmelden", "privacy")
METHOD_APP: Final = _any(
    "authenticator", "authentication app", "google authenticator", "totp", "verification app",
    "code from (your|an|the) app", "use (a |the )?verification code",
)  # fmt: skip

STAY: Final = _any(
    "stay (signed|logged) in", "keep (me )?(signed|logged) in", "remember (me|this)",
    "remember my (device|browser)", "trust (this|my)", "don't ask (me )?again (on|for)",
    "is this your device",
    "angemeldet bleiben", "eingeloggt bleiben", "rester connecté", "se souvenir de moi",
    "mantener la sesión", "mantenerme conectado", "recuérdame", "recordarme", "lembrar de mim",
    "manter conectado", "continuar conectado", "manter sessão", "ricordami", "resta connesso",
    "ingelogd blijven", "aangemeld blijven", "onthoud mij", "ログイン状態を保持",
    "ログインしたまま",
    "サインインの状態を維持", "记住我", "保持登录", "로그인 상태 유지", "zapamiętaj mnie",
    "nie wylogowuj", "kom ihåg mig", "håll mig inloggad", "förbli inloggad", "beni hatırla",
    "oturumum açık kalsın", "oturumu açık",
)  # fmt: skip
# "Don't remember me": a box that says the opposite.
FORGET: Final = re.compile(
    r"\b(do not|don't|never|nicht|ne pas|non|niet)\b.{0,12}"
    r"\b(remember|trust|keep|merken|souvenir|ricordar|onthoud)"
)
# What a box agrees to beside that: a contract, post, an account that is made or lost.
SAYS_MORE: Final = re.compile(
    r"\b(i|we) (agree|accept|consent|confirm|understand|authori[sz]e|want|would)\b|\bagree(ment)?\b"
    r"|\b(terms|conditions|licen[cs]e|policy|subscri\w*|newsletter|marketing|offers?|e-?mails?"
    r"|contact|share|deletes?|erase|register|create|sign (me )?up|nutzungsbedingungen"
    r"|datenschutz\w*|zustimm\w*|akzeptier\w*|j'accepte|conditions générales|acepto|aceito"
    r"|términos|termos|accetto|termini|akkoord|voorwaarden)\b|利用規約|同意|条款|약관|동의"
)
CONSENT: Final = _any(
    "wants? to access", "wants? access", "would like (to|access|permission)", "requests? access",
    "permissions? requested", "following permissions?", "consent request", "grant access",
    "authori[sz]e ", "is requesting", "asks? for access", "will allow", "release of information",
    "information release", "information to be (released|provided)", "approve access",
    "möchte auf", "möchte zugreifen", "souhaite accéder", "quiere acceder", "solicita acceso",
    "deseja acessar", "quer acessar", "vuole accedere", "wil toegang", "アクセスを許可",
    "アクセスをリクエスト", "请求访问", "想要访问", "액세스를 요청", "chce uzyskać dostęp",
    "vill få åtkomst", "vill komma åt", "erişmek istiyor",
)  # fmt: skip
TERMS: Final = re.compile(
    r"\b(terms|conditions|agreement|licen[cs]e|eula|privacy (policy|notice)|nutzungsbedingungen|agb"
    r"|conditions générales|términos|termos|termini)\b|利用規約|条款|약관"
)
PASSKEY: Final = _any("passkey", "face id", "windows hello", "security key", "biometric")
# A button that asks for one, a page that does, and what makes a new one or tells of it.
BY_PASSKEY: Final = _any(
    "pass-?key", "security key", "webauthn", "fido", "face id", "windows hello",
    "clés? d'accès", "claves? de acceso", "llaves? de acceso", "chaves? de acesso",
    "sicherheitsschlüssel", "toegangssleutel", "passnyck", "パスキー", "通行密钥", "通行密鑰",
    "패스키", "klucz\\w* dostępu",
)  # fmt: skip
USE_PASSKEY: Final = re.compile(
    r"\b(use|using|with|confirm|verify|insert|touch|mit|avec|con|com)\b.{0,30}"
    r"\b(pass-?key|security key|clé d'accès|clave de acceso|chave de acesso|sicherheitsschlüssel)"
)
MAKES_PASSKEY: Final = _any(
    "create", "set ?up", "add\\b", "register", "enrol", "sign ?up", "new\\b", "get (a|your)",
    "save", "learn", "what (is|are)", "how ", "manage", "rename", "remove", "delete", "lost",
    "forgot", "without", "don't", "no passkey", "erstellen", "einrichten", "hinzufügen", "ohne",
    "créer", "ajouter", "configurer", "crear", "añadir", "criar", "adicionar", "aggiungi",
    "crea\\b", "maken", "toevoegen", "作成", "追加", "创建", "添加", "만들", "추가", "utwórz",
    "dodaj", "skapa", "lägg till", "oluştur", "ekle",
)  # fmt: skip
OFFERS_PASSKEY: Final = re.compile(
    r"\b(create|set ?up|add|register|enroll?|make|erstelle\w*|einrichten|créer|crear|criar)\b"
    r".{0,30}\b(pass-?key|security key|clé d'accès|clave de acceso|chave de acesso)"
)
OTHER_WAY: Final = _any(
    "(an)?other (way|option|method)", "sign-?in options", "more (ways|options)",
    "(verify|sign in) with something else", "andere option", "weitere option", "anders anmelden",
    "autre (option|méthode)", "otra (forma|manera|opción)", "別の方法", "其他方式", "다른 방법",
)  # fmt: skip
YES: Final = _whole(
    "yes", "ok", "okay", "allow", "accept", "agree", "i agree", "authori[sz]e.{0,40}", "approve",
    "grant( access)?", "continue", "trust( (this )?(browser|device))?", "stay signed in",
    "yes, .{0,40}", "ja", "zulassen", "erlauben", "oui", "autoriser", "sí", "permitir", "sim",
    "autorizar", "sì", "consenti", "autorizza", "toestaan", "はい", "許可(する)?", "是", "允许",
    "授权", "예", "허용", "tak", "zezwól", "tillåt", "evet", "izin ver",
)  # fmt: skip
NO: Final = _whole(
    "no", "no, .{0,40}", "not now", "nein", "non", "não", "nee", "いいえ", "否", "아니요", "nie",
    "nej", "hayır",
)  # fmt: skip
REFUSE: Final = _whole(
    "no", "no, .{0,40}", "cancel", "deny", "deny access", "decline", "reject", "refuse", "disagree",
    "don't allow", "nein", "abbrechen", "ablehnen", "non", "annuler", "refuser", "cancelar",
    "denegar", "rechazar", "não", "recusar", "negar", "annulla", "rifiuta", "nega", "nee",
    "annuleren", "weigeren", "キャンセル", "拒否(する)?", "いいえ", "取消", "拒绝", "취소", "거부",
    "anuluj", "odrzuć", "nie", "avbryt", "neka", "nej", "iptal", "reddet", "hayır",
)  # fmt: skip
NOT_NOW: Final = _any(
    "not now", "maybe later", "later", "skip(?! to)", "no,? thanks", "remind me",
    "(continue |go on )?without (a )?passkeys?", "not on this device", "nicht jetzt", "später",
    "überspringen", "plus tard", "pas maintenant", "ahora no", "más tarde", "omitir", "agora não",
    "mais tarde", "pular", "non ora", "più tardi", "niet nu", "overslaan", "今はしない", "後で",
    "スキップ", "暂不", "稍后", "跳过", "나중에", "건너뛰기", "nie teraz", "później", "pomiń",
    "inte nu", "senare", "hoppa över", "şimdi değil", "daha sonra",
)  # fmt: skip

# What opens a menu, on a page that shows no way in.
MENU: Final = _whole(
    "(open |toggle |show |main )?(the )?(main )?(menu|navigation)( menu)?", "hamburger( menu)?",
    "(my |your |user )?(account|profile)( menu)?", "user( menu)?", "menü( öffnen)?",
    "(ouvrir le )?menu", "(abrir )?(el |o )?menú?", "(apri )?(il )?menu", "menu openen", "メニュー",
    "菜单", "메뉴", "(otwórz )?menu", "meny", "öppna menyn?", "menüyü aç", "[☰≡⋮]",
)  # fmt: skip
ACCOUNT_MENU: Final = _any("account", "profile", "user")

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

# What takes a message away that lies over the page, and does nothing else.
CLOSE: Final = _whole(
    "close", "dismiss", "got it", "schließen", "fermer", "cerrar", "fechar", "chiudi", "sluiten",
    "閉じる", "关闭", "닫기", "zamknij", "stäng", "kapat", "[x×✕✖]",
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
