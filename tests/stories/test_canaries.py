"""Does a personal value leave by accident? Canary identities go through everything and are looked for everywhere."""

from typing import Any

from tests.support import canaries
from tests.support.broker import admin, everything, until
from tests.support.world import Town, World, body_of

CONTENT = ("intake", "report_content")
"""The one place where they may lie."""


async def test_canary_identities_appear_in_no_log_event_notice_error_or_table_but_the_content(world: World) -> None:
    town = await world.town()
    await through_everything(world, town)
    problems = await errors_of(world, town)
    assert not [found for text in problems if (found := canaries.found_in(text))]
    assert not [(log.name, found) for log in world.state.logs.iterdir() if (found := canaries.found_in(log.read_text(errors="replace")))]
    assert not [(topic, found) for topic, text in (await every_record(world)) if (found := canaries.found_in(text))]
    told = [str(bodies) for bodies in world.receiver.taken.values()] + [str(headers) for headers in world.receiver.heard]
    assert not [found for text in told if (found := canaries.found_in(text))]
    where = {place for place, text in await every_row(world) if canaries.found_in(text)}
    assert where == {CONTENT}


async def through_everything(world: World, town: Town) -> None:
    await town.police.takes(webhook=True, feed=True)
    await town.civil_affairs.takes(webhook=True)
    school = world.reporter()
    url = world.receiver.url(school.party)
    made = await school.call("PUT", f"/notification/endpoints/{school.party}", json={"webhook": {"url": url}})
    world.receiver.secrets[school.party] = made.json()["secret"]
    facts: dict[str, Any] = {"facts": f"{canaries.FACTS} {canaries.PHONE}", "received_by": canaries.RECEIVER, "children": canaries.CHILDREN}
    receipt = await school.files(town, "L1a", **facts)
    leg = await world.leg_that(receipt["report"], town.police, delivered=True)

    async def read() -> Any:
        answer = await town.police.call("GET", f"/intake/reports/{receipt['report']}")
        return answer.status_code == 200 and answer.text

    assert set(canaries.found_in(await until(read))) == set(canaries.ALL)
    await town.police.replies({"leg": leg["leg"], "answer": "declined", "reason": canaries.FACTS}, canaries.NAME.encode())
    await town.police.answers(leg, "fulfilled", outcome="child_safe")
    await until(lambda: world.receiver.of(school.party))


async def errors_of(world: World, town: Town) -> list[str]:
    """What is answered to requests that break rules with canaries in every place."""
    school = world.reporter()
    good = body_of(town, "L1a", children=canaries.CHILDREN, facts=canaries.FACTS)
    wrong = [
        good | {"situations": [canaries.NAME]},
        good | {"region": canaries.PHONE},
        good | {"facts": canaries.FACTS + "\0"},
        good | {canaries.NAME: canaries.PHONE},
        good | {"children": [{"name": canaries.NAME, "sex": canaries.NAME, "age": canaries.FACTS, "id_number": canaries.ID_NUMBER + "1"}]},
        good | {"seen_at": canaries.FACTS},
    ]
    answers = [await school.posts(body) for body in wrong]
    answers.append(await town.police.call("POST", f"/referral/legs/{canaries.ID_NUMBER}/seen", json={"reason": canaries.NAME}))
    answers.append(await town.police.call("GET", f"/intake/reports/{canaries.NAME}"))
    assert all(400 <= answer.status_code < 500 for answer in answers)
    return [answer.text for answer in answers]


async def every_record(world: World) -> list[tuple[str, str]]:
    async with admin(world.stack.bootstrap) as client:
        topics = [topic for topic in await client.list_topics() if topic.startswith("heli.") and not topic.endswith(".replies.v1")]
    found = []
    for topic in topics:
        for record in await everything(world.stack.bootstrap, topic):
            found.append((topic, f"{record.key!r} {(record.value or b'').decode(errors='replace')} {record.headers!r}"))  # noqa: PERF401
    return found


async def every_row(world: World) -> list[tuple[tuple[str, str], str]]:
    found = []
    for service, pool in world.databases.items():
        tables = await pool.fetch("select table_name from information_schema.tables where table_schema = 'public'")
        for table in (row["table_name"] for row in tables):
            for row in await pool.fetch(f'select * from "{table}"'):
                values = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in row.values()]
                found.append(((service, table), " ".join(values)))
    return found
