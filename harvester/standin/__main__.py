"""``python -m harvester.standin [--port N] [--set switch=value ...]``

Prints one line of JSON (origins, user, password, seed, control URL) and runs until TERM or INT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from harvester.standin.serving import StandIn
from harvester.standin.switches import UnknownSwitch, table

EXIT_USAGE, EXIT_NO_PORT = 2, 69


def _arguments() -> argparse.Namespace:
    switches = "\n".join(
        f"  {one['name']:<22} {one['means']}"
        + "".join(f" ({', '.join(one[kind])})" for kind in ("choices", "words") if one[kind])
        + f" [{one['default']}]"
        for one in table()
    )
    parser = argparse.ArgumentParser(
        prog="python -m harvester.standin",
        description="An imitation of Knoq and of an identity provider, on loopback.",
        epilog=f"switches:\n{switches}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SWITCH=VALUE", help="turn a switch"
    )
    return parser.parse_args()


async def _run(stand_in: StandIn) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with stand_in:
        print(json.dumps(stand_in.describe()), flush=True)
        await ended.wait()


def main() -> int:
    arguments = _arguments()
    turned = {}
    for word in arguments.set:
        name, equals, value = word.partition("=")
        if not equals:
            print(f"--set takes SWITCH=VALUE, not {word!r}", file=sys.stderr)
            return EXIT_USAGE
        turned[name] = value
    try:
        stand_in = StandIn(port=arguments.port, **turned)
    except UnknownSwitch as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    try:
        asyncio.run(_run(stand_in))
    except (OSError, OverflowError) as error:
        print(f"cannot listen on port {arguments.port}: {error}", file=sys.stderr)
        return EXIT_NO_PORT
    return 0


if __name__ == "__main__":
    sys.exit(main())
