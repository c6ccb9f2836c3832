"""What do plans hold, drawn from many seeds?"""

from tests.stories.faults.plan import KINDS, WEBHOOK_LEASE_SECONDS, Fault, copy_of, draw

PLANS = [draw(seed) for seed in range(2000)]
FAULTS = [fault for plan in PLANS for fault in plan]


def test_a_seed_is_a_plan() -> None:
    assert [draw(seed) for seed in range(2000)] == PLANS


def test_every_fault_strikes_everybody_that_it_can() -> None:
    for kind, (victims, _, _) in KINDS.items():
        assert {fault.victim for fault in FAULTS if fault.kind == kind} >= set(victims)


def test_copies_serve_from_the_beginning_and_beside_whoever_is_stopped() -> None:
    assert {fault.at for fault in FAULTS if fault.kind == "copies"} == {0.0}
    for plan in PLANS:
        copied = {fault.victim for fault in plan if fault.kind == "copies"}
        stopped = {fault.victim for fault in plan if fault.kind == "stop"} - {"kafka"}
        assert "every service" in copied or stopped <= copied
        killed = {fault.victim for fault in plan if fault.kind == "kill" and fault.victim == copy_of(fault.victim.removesuffix("-copy"))}
        assert not killed or "every service" in copied


def test_one_round_in_five_is_calm_and_served_by_copies() -> None:
    calm = [plan for plan in PLANS if all(fault.calm for fault in plan) and Fault(0.0, "copies", "every service") in plan]
    assert 0.15 < len(calm) / len(PLANS) < 0.3


def test_few_stops_outlast_the_lease_of_a_webhook() -> None:
    long = [fault for fault in FAULTS if fault.kind == "stop" and fault.lasts > WEBHOOK_LEASE_SECONDS]
    assert {fault.victim for fault in long} == {"notification"}
    assert 0.005 < len(long) / len(PLANS) < 0.03
