"""Do faults meet the requests they were ordered for, and no others?"""

import msgspec
import pytest

from litemaas.sim.behaviour import Behaviour, Conduct, Fault

CHAT = "/v1/chat/completions"


def test_fault_with_a_count_is_used_up() -> None:
    conduct = Conduct(Behaviour(faults=(Fault("reset", count=2),)))
    assert [conduct.draw_fault(CHAT, True, None) is not None for _ in range(4)] == [True, True, False, False]


def test_fault_without_a_path_spares_calls_that_do_no_work() -> None:
    conduct = Conduct(Behaviour(faults=(Fault("reset"),)))
    assert conduct.draw_fault("/health", False, None) is None
    assert conduct.draw_fault(CHAT, True, None) is not None


def test_fault_with_a_path_meets_only_that_path() -> None:
    conduct = Conduct(Behaviour(faults=(Fault("status", path="/tokenize", status=503),)))
    assert conduct.draw_fault("/tokenize", False, None) is not None
    assert conduct.draw_fault(CHAT, True, None) is None


def test_fault_for_a_model_leaves_the_others_alone() -> None:
    conduct = Conduct(Behaviour(faults=(Fault("close", model="a"),)))
    assert conduct.asks_for_model
    assert conduct.draw_fault(CHAT, True, "b") is None
    assert conduct.draw_fault(CHAT, True, "a") is not None


def test_rate_is_the_same_sequence_for_the_same_seed() -> None:
    def drawn() -> list[bool]:
        conduct = Conduct(Behaviour(seed=7, faults=(Fault("reset", rate=0.5),)))
        return [conduct.draw_fault(CHAT, True, None) is not None for _ in range(100)]

    assert drawn() == drawn()
    assert 30 < sum(drawn()) < 70


def test_change_keeps_what_it_does_not_name_and_reset_brings_everything_back() -> None:
    conduct = Conduct(Behaviour(token_s=0.5, faults=(Fault("reset", count=1),)))
    conduct.change({"json_s": 2.0})
    assert conduct.behaviour.token_s == 0.5
    assert conduct.draw_fault(CHAT, True, None) is not None
    conduct.reset()
    assert conduct.behaviour.json_s is None
    assert conduct.draw_fault(CHAT, True, None) is not None


def test_unknown_member_is_refused_and_changes_nothing() -> None:
    conduct = Conduct(Behaviour())
    with pytest.raises(msgspec.ValidationError):
        conduct.change({"token_s": 1.0, "speed": 3})
    assert conduct.behaviour == Behaviour()


def test_jitter_varies_times_within_its_share() -> None:
    conduct = Conduct(Behaviour(token_s=1.0, jitter=0.2))
    times = [conduct.token_s() for _ in range(50)]
    assert all(0.8 <= seconds <= 1.2 for seconds in times)
    assert len(set(times)) > 1


def test_whole_answer_takes_the_fixed_time_or_the_sum_of_its_steps() -> None:
    conduct = Conduct(Behaviour(first_token_s=1.0, token_s=0.5))
    assert conduct.whole_answer_s(4) == 3.0
    conduct.change({"json_s": 0.25})
    assert conduct.whole_answer_s(4) == 0.25
