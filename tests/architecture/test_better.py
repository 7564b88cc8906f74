"""Has each line of gateway-api contract 6, where we must be better, a test that would fail if we were not?"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
BETTER: dict[str, tuple[str, ...]] = {
    "B1": ("test_forty_parallel_calls_on_a_budget_for_one_admit_exactly_one", "test_two_workers_share_one_budget",
           "test_a_thousand_calls_at_once_on_a_budget_for_a_hundred_are_a_hundred"),
    "B2": ("test_tokens_per_minute_are_never_exceeded",
           "test_sixty_requests_fifty_tokens_and_two_at_once_are_that_for_forty_clients"),
    "B3": ("test_no_more_calls_run_in_parallel_than_allowed", "test_places_of_killed_workers_come_back"),
    "B4": ("test_requests_per_minute_are_never_one_too_many_and_refusals_do_not_count",),
    "B5": ("test_a_hundred_and_sixty_keys_in_one_flush_are_all_in_records_and_spend",
           "test_after_calls_of_all_kinds_everything_is_equal_to_the_token_and_the_nano"),
    "B6": ("test_a_client_that_did_not_ask_sees_no_usage_and_is_billed_exactly",),
    "B7": ("test_nothing_is_lost_doubled_or_kept_when_workers_are_killed_under_load",),
    "B8": ("test_equal_engine_ids_are_two_records",),
    "B9": ("test_blocks_and_lists_of_teams_bite_in_the_next_call",
           "test_the_key_of_a_deleted_user_and_the_call_of_a_blocked_customer_are_refused_at_once",
           "test_a_blocked_key_and_a_new_model_reach_every_worker_within_a_second"),
    "B10": ("test_an_unknown_key_is_named_by_its_end_and_its_hash_only", "test_no_secret_is_in_the_database_or_the_audit"),
    "B11": ("test_what_an_engine_does_not_have_cools_no_other_endpoint",),
    "B12": ("test_a_budget_begins_anew_when_the_contract_says",),
    "B13": ("test_a_body_that_cannot_be_served_is_refused_in_the_contracts_words", "test_generate_refuses_what_it_cannot_mean"),
    "B14": ("test_an_unknown_one_is_refused_and_no_engine_called",),
    "B15": ("test_an_alias_in_use_is_refused_in_words_that_no_role_misreads",
            "test_a_callers_own_key_is_kept_and_not_taken_twice", "test_duplicates_and_missing_params_have_their_codes",
            "test_a_budget_is_named_changed_and_deleted"),
    "B16": ("test_a_customers_limits_hold_for_its_own_calls_and_not_for_the_next_one",),
    "B17": ("test_a_blocked_customer_is_refused_and_others_are_not",),
    "B18": ("test_quotas_and_expiry_hold_at_the_instant_and_resets_count_anew", "test_spend_of_an_ended_window_bars_nobody"),
    "B19": ("test_pages_hold_whole_days_and_totals_are_of_everything",),
    "B20": ("test_a_key_of_nobody_sees_only_its_own_activity",),
    "B21": ("test_a_defect_of_ours_is_told_in_json_and_the_connection_stays_open",),
    "B22": ("test_every_refusal_carries_a_call_id_and_may_be_read_by_a_browser",
            "test_each_row_of_the_table_is_told_as_it_says", "test_a_rate_limited_caller_reads_when_to_come_back"),
    "B23": ("test_a_change_of_the_catalogue_is_there_within_a_second",
            "test_update_merges_keeps_the_id_and_versions_the_price"),
    "B24": ("test_limits_of_a_named_budget_hold_and_activity_shows_the_call",
            "test_keys_people_and_teams_have_the_limits_of_the_budget_they_name"),
    "B25": ("test_a_body_that_cannot_be_served_is_refused_in_the_contracts_words",),
    "B26": ("test_a_client_that_leaves_a_stream_stops_the_engine_within_a_second_and_pays_for_its_part",),
    "B27": ("test_health_asks_each_engine_without_spending_a_token",),
    "B28": ("test_an_unknown_key_is_named_by_its_end_and_its_hash_only",),
    "B29": ("test_a_frozen_valkey_stops_nobody_and_gives_nobody_more",
            "test_calls_and_news_go_on_while_valkey_is_away_frozen_and_back"),
    "B30": ("test_a_destroy_finds_its_key_behind_five_hundred_newer_ones_and_reports_only_real_deletions",),
    "B31": ("test_a_cached_token_without_a_price_of_its_own_costs_what_others_cost",),
    "B32": ("test_no_key_is_looked_for_by_reading_them_all",),
    "B33": ("test_update_changes_what_is_sent_and_nothing_else",),
    "B34": ("test_what_is_left_out_says_so_in_a_sentence", "test_keys_are_rotated_set_back_and_asked_in_bulk"),
}  # fmt: skip
"""The contract's line → the tests that hold it."""
MEASURED = {"B32": "benchmarks/bulk_keys.py"}
"""How quick lists are is measured, not tested: a test that depends on the machine's speed says nothing."""


def test_each_line_has_its_place() -> None:
    assert sorted(BETTER.keys() | MEASURED) == sorted(f"B{number}" for number in range(1, 35))


@pytest.mark.parametrize("line", BETTER)
def test_each_line_is_held_by_tests_that_there_are(line: str) -> None:
    missing = [name for name in BETTER[line] if name not in _names()]
    assert not missing


@pytest.mark.parametrize("line", MEASURED)
def test_what_is_measured_has_its_benchmark(line: str) -> None:
    assert (TESTS.parent / MEASURED[line]).is_file()


@cache
def _names() -> frozenset[str]:
    written = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return frozenset(name for text in written for name in _TEST.findall(text))
