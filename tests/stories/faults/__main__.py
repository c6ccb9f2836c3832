"""How are faults run from a shell? `python -m tests.stories.faults --rounds N --seed S`, or `--planted NAME` (or `all`)."""

import asyncio
import logging
import random
import sys
from argparse import ArgumentParser, ArgumentTypeError

from tests.stories.faults import planted, rounds


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _expose(name: str) -> int:
    names = list(planted.BUGS) if name == "all" else [name]
    return max([await planted.expose(one, say) for one in names])


def _rounds(said: str) -> int:
    if (rounds := int(said)) < 1:
        raise ArgumentTypeError(f"{rounds} rounds prove nothing: at least 1")
    return rounds


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.stories.faults", description=__doc__)
    parser.add_argument("--rounds", type=_rounds, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--planted", choices=[*planted.BUGS, "all"])
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients, while the broker is struck
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    return asyncio.run(_expose(given.planted) if given.planted else rounds.run(given.rounds, given.seed, say))


if __name__ == "__main__":
    sys.exit(main())
