"""Is a port that was picked for one program ever given to another, though nobody listens on it yet?"""

from deploy.local import ports


def test_no_port_is_picked_twice() -> None:
    first, second = ports.pick(200), ports.pick(200)
    assert len({*first, *second, ports.pick_one()}) == 401
