"""A number is passed on only when everything up to it is through."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.gateway.progress import Done, Progress


@given(st.lists(st.tuples(st.sampled_from(["plain", "held", "done"]), st.integers(0, 30))))
def test_nothing_that_is_held_is_behind_the_safe_number(steps: list[tuple[str, int]]) -> None:
    progress, number = Progress(seen=0), 0
    held: dict[int, Done] = {}
    for what, choice in steps:
        if what == "done" and held:
            held.pop(sorted(held)[choice % len(held)])()
        else:
            number += 1
            assert progress.arrived(number)
            if what == "held":
                held[number] = progress.hold(number, at=float(number))
        assert progress.safe == min(held, default=number + 1) - 1
        assert progress.through_until(99.0) == min(held, default=99)


def test_what_a_resume_replays_is_not_handled_again() -> None:
    progress = Progress(seen=7)
    assert not progress.arrived(7)
    assert progress.arrived(8)
    done = progress.hold(8, at=1.0)
    assert progress.arrived(9)
    assert not progress.arrived(8)
    done()
    done()
    assert not progress.arrived(8)
    assert progress.safe == 9
