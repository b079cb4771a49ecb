"""MediaWiki (Debian, on PHP's own server): user name and password, then a code on its own page.
Around them stand a search box, "Create account" and dozens of links.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from running import Account, free_port, process

import installing

USERNAME, PASSWORD = "Ada", "correct horse 7 battery"
SEED = base64.b32encode(b"mediawiki-seed-ada!!").decode()
_MODULES = ("mbstring", "intl", "xml", "dom", "pdo", "pdo_sqlite", "sqlite3", "fileinfo", "ctype")
_MORE = ("iconv", "tokenizer", "xmlreader", "xmlwriter", "simplexml", "posix")


def install() -> Path:
    php = ("php8.2-cli", "php8.2-common", "php8.2-xml", "php8.2-mbstring", "php8.2-intl")
    servers = ("apache2", "libapache2", "libapr", "default-mysql", "mariadb", "php8.2-mysql")
    return installing.debian(
        "mediawiki", "mediawiki", "mediawiki-classes", *php, "php8.2-sqlite3", without=servers
    )


def _php(root: Path) -> list[str]:
    modules = next((root / "usr/lib/php").glob("2*"))
    words = [str(root / "usr/bin/php8.2"), "-n", "-d", f"extension_dir={modules}"]
    for one in (*_MODULES, *_MORE):
        if (modules / f"{one}.so").exists():
            words += ["-d", f"extension={one}"]
    return [*words, "-d", "memory_limit=512M", "-d", "error_reporting=0"]


@contextlib.contextmanager
def running(place: Path) -> Iterator[Account]:
    root = install()
    wiki = root / "usr/share/mediawiki"
    port = free_port()
    origin = f"http://mediawiki.localhost:{port}"
    folder = place / "wiki"
    folder.mkdir()
    libraries = root / "usr/lib" / f"{os.uname().machine}-linux-gnu"
    env = {"LD_LIBRARY_PATH": str(libraries), "PHP_CLI_SERVER_WORKERS": "4"}
    settings = folder / "LocalSettings.php"

    def php(*words: str, **more: str) -> None:
        done = subprocess.run(
            [*_php(root), *words], env={**os.environ, **env, **more}, cwd=wiki, text=True,
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    # The installer wants to be the first: it refuses while it sees settings.
    php(
        "maintenance/install.php", "--confpath", str(folder), "--dbtype", "sqlite", "--dbname",
        "wiki", "--dbpath", str(folder), "--server", origin, "--scriptpath", "", "--pass",
        PASSWORD, "The wiki", USERNAME,
    )  # fmt: skip
    with settings.open("a") as more:
        more.write("""
wfLoadExtension( 'OATHAuth', "$IP/extensions-core/OATHAuth/extension.json" );
$wgGroupPermissions['sysop']['oathauth-enable'] = true;
$wgOATHAuthDatabase = false;
$wgShowExceptionDetails = true;
$wgDefaultSkin = 'vector';
""")
    known = {"MW_CONFIG_FILE": str(settings)}
    php("maintenance/update.php", "--quick", **known)
    enrol = folder / "enrol.php"
    enrol.write_text(f"""<?php
require_once '{wiki}/maintenance/Maintenance.php';
class Enrol extends Maintenance {{
    public function execute() {{
        $services = MediaWiki\\MediaWikiServices::getInstance();
        $auth = $services->getService( 'OATHAuth' );
        $users = $services->getService( 'OATHUserRepository' );
        $user = $users->findByUser( $services->getUserFactory()->newFromName( '{USERNAME}' ) );
        $module = $auth->getModuleByKey( 'totp' );
        $user->setModule( $module );
        $user->setKeys( [ MediaWiki\\Extension\\OATHAuth\\Key\\TOTPKey::newFromArray(
            [ 'secret' => '{SEED}', 'scratch_tokens' => [] ] ) ] );
        $users->persist( $user, '127.0.0.1' );
    }}
}}
$maintClass = Enrol::class;
require_once RUN_MAINTENANCE_IF_MAIN;
""")
    php(str(enrol), **known)
    words = [*_php(root), "-S", f"127.0.0.1:{port}", "-t", str(wiki)]
    log = place / "mediawiki.log"
    with process(words, log=log, port=port, cwd=folder, path="/api.php", env={**env, **known}):
        yield Account(
            origin=origin,
            # It answers everybody, and nobody with an error in a 200.
            probe_path="/api.php?action=query&meta=userinfo&assert=user&format=json",
            denied_text="assertuserfailed",
            identity_origins=(origin,),
            username=USERNAME,
            password=PASSWORD,
            totp=SEED,
            log=log,
            posts=re.compile(r"POST /index.php\?title=Special:UserLogin"),
        )
