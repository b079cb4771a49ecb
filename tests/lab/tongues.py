"""One small form in the twelve languages of which the engine keeps verbs, each built differently.

The words are those that programs in these languages show.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar

from house import Answer
from kind import page
from oddities import OnePage


@dataclass(frozen=True)
class Words:
    lang: str
    way_in: str
    title: str
    user: str
    password: str
    remember: str
    forgot: str
    sign_up: str
    send: str
    refused: str


_ALL = (
    Words("de", "Anmelden", "Bei Ihrem Konto anmelden", "Benutzername oder E-Mail", "Passwort",
          "Angemeldet bleiben", "Passwort vergessen?", "Registrieren", "Anmelden",
          "Ungültiger Benutzername oder Passwort."),
    Words("fr", "Se connecter", "Connectez-vous à votre compte", "Nom d'utilisateur ou courriel",
          "Mot de passe", "Se souvenir de moi", "Mot de passe oublié ?", "Créer un compte",
          "Connexion", "Nom d'utilisateur ou mot de passe invalide."),
    Words("es", "Iniciar sesión", "Inicia sesión en tu cuenta", "Usuario o correo electrónico",
          "Contraseña", "Recuérdame", "¿Olvidaste tu contraseña?", "Regístrate", "Iniciar sesión",
          "Usuario o contraseña incorrectos."),
    Words("pt", "Entrar", "Entre na sua conta", "Usuário ou e-mail", "Senha", "Lembrar de mim",
          "Esqueceu a senha?", "Cadastre-se", "Entrar", "Usuário ou senha inválidos."),
    Words("it", "Accedi", "Accedi al tuo account", "Nome utente o e-mail", "Password",
          "Ricordami", "Password dimenticata?", "Registrati", "Accedi",
          "Nome utente o password non validi."),
    Words("nl", "Inloggen", "Log in op je account", "Gebruikersnaam of e-mailadres", "Wachtwoord",
          "Ingelogd blijven", "Wachtwoord vergeten?", "Account aanmaken", "Inloggen",
          "Ongeldige gebruikersnaam of wachtwoord."),
    Words("ja", "ログイン", "アカウントにログイン", "ユーザー名またはメールアドレス", "パスワード",
          "ログイン状態を保持する", "パスワードをお忘れですか？", "新規登録", "ログイン",
          "ユーザー名またはパスワードが正しくありません。"),
    Words("zh", "登录", "登录您的账户", "用户名或邮箱", "密码", "记住我", "忘记密码？", "注册",
          "登录", "用户名或密码不正确。"),
    Words("ko", "로그인", "계정에 로그인", "사용자 이름 또는 이메일", "비밀번호",
          "로그인 상태 유지", "비밀번호를 잊으셨나요?", "회원가입", "로그인",
          "사용자 이름 또는 비밀번호가 올바르지 않습니다."),
    Words("pl", "Zaloguj się", "Zaloguj się na swoje konto", "Nazwa użytkownika lub e-mail",
          "Hasło", "Zapamiętaj mnie", "Nie pamiętasz hasła?", "Zarejestruj się", "Zaloguj się",
          "Nieprawidłowa nazwa użytkownika lub hasło."),
    Words("sv", "Logga in", "Logga in på ditt konto", "Användarnamn eller e-post", "Lösenord",
          "Kom ihåg mig", "Glömt lösenordet?", "Skapa konto", "Logga in",
          "Felaktigt användarnamn eller lösenord."),
    Words("tr", "Giriş yap", "Hesabınıza giriş yapın", "Kullanıcı adı veya e-posta", "Şifre",
          "Beni hatırla", "Şifrenizi mi unuttunuz?", "Kayıt ol", "Giriş yap",
          "Kullanıcı adı veya şifre hatalı."),
)  # fmt: skip


class _Tongue(OnePage):
    """The order differs with the language, and no name or id tells anything in English."""

    words: ClassVar[Words]
    user, secret = "a1", "a2"

    @classmethod
    def name(cls) -> str:
        return f"Tongue-{cls.words.lang}"

    def landing(self) -> str:
        words = self.words
        return page(
            "Knots",
            f"""<a href="/wrong/sign-up">{words.sign_up}</a> <a href="/go">{words.way_in}</a>""",
            lang=words.lang,
        )

    def looked_at(self, form: dict[str, str]) -> None:
        if "a3" not in form:
            self.house.wrong["not-remembered"] += 1

    def refused(self) -> Answer:
        return Answer(self.form(self.words.refused))

    def form(self, error: str) -> str:
        words = self.words
        button = f"<button>{words.send}</button>"
        away = f"""<button type="button" onclick="elsewhere('sign-up')">{words.sign_up}</button>
            <button type="button" onclick="elsewhere('forgot')">{escape(words.forgot)}</button>"""
        first = words.lang in ("de", "es", "it", "ja", "ko", "sv")
        return page(
            words.title,
            f"""<h1>{words.title}</h1><p>{error}</p><form method="post" action="/login">
            <label for="x1">{words.user}</label><input id="x1" name="a1"><label for="x2">
            {words.password}</label><input id="x2" name="a2" type="password"><label><input
            type="checkbox" name="a3"> {words.remember}</label>
            {away + button if first else button + away}</form>""",
            lang=words.lang,
        )


def _tongue(words: Words) -> type[_Tongue]:
    named = {"words": words, "host": f"lang-{words.lang}"}
    return type(f"Tongue{words.lang.title()}", (_Tongue,), named)


TONGUES = tuple(_tongue(words) for words in _ALL)
