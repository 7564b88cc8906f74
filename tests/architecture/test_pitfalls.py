"""Has each pitfall of control-plane contract 19 tests that would fail if we fell into it?"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
PITFALLS: dict[int, tuple[str, ...]] = {
    1: ("nobody is anybody by a header", "without_credentials_nobody_is_anybody",
        "a_header_of_the_caller_is_no_credential_and_leads_nowhere"),
    2: ("sign-in leads back to our own pages alone", "nobody_is_sent_elsewhere"),
    3: ("a sign-in is for one browser, once, soon", "a_state_works_once_in_one_browser_for_five_minutes"),
    4: ("a provider's lies let nobody in", "lies_of_a_provider_let_nobody_in", "new_keys_of_a_provider_are_learnt"),
    5: ("accounts are found by who somebody is", "an_account_is_never_taken_over",
        "an_initial_administrator_needs_a_verified_address"),
    6: ("roles go with groups, at once", "roles_follow_groups_and_granted_ones_stay",
        "roles_and_accounts_are_read_with_every_request"),
    7: ("some administrator stays", "the_last_administrator_stays",
        "two_administrators_cannot_remove_one_another_at_once", "limits_roles_and_activity_are_changed_one_by_one"),
    8: ("sessions end for good, one's own", "a_person_signs_in_and_out",
        "sessions_are_listed_and_ended_by_their_owner_alone"),
    9: ("the demo's people are for one machine", "elsewhere_these_routes_do_not_exist",
        "what_is_unsafe_or_unreadable_stops_the_start"),
    10: ("weak secrets stop the start", "wrong_value_is_named_by_its_variable_and_not_shown",
         "what_is_unsafe_or_unreadable_stops_the_start", "secrets_and_ids_are_not_guessed"),
    11: ("tokens act under their own name", "a_service_has_an_identity_of_its_own",
         "the_bootstrap_token_makes_the_first_service_token"),
    12: ("overseers only look", "the_overseer_can_change_nothing", "nobody_passes_a_gate_without_what_it_demands"),
    13: ("people change what is theirs", "no_call_that_is_open_to_everybody_changes_what_is_somebody_elses"),
    14: ("one matrix for routes and checks", "every_permission_of_a_route_is_in_the_matrix_and_is_checked_alike"),
    15: ("forged addresses change no count", "sign_ins_are_counted_by_address",
         "only_trusted_proxies_say_whose_address_is_noted", "a_forged_token_uses_up_nobodys_count",
         "reveal_is_for_the_owner_who_has_just_signed_in"),
    16: ("an address is not needed", "without_an_email_one_signs_in_as_often_as_one_likes"),
    17: ("a dump opens nothing", "no_secret_is_in_the_database_or_the_audit", "no_usable_secret_is_in_a_backup",
         "a_webhooks_secret_is_shown_once_and_stored_sealed"),
    18: ("secrets are told nowhere", "no_secret_reaches_answers_audit_or_the_feed",
         "no_secret_stands_in_a_log_or_in_the_environment_or_arguments_of_a_process"),
    19: ("strangers see nothing of the inside", "people_see_models_and_never_what_is_behind_them",
         "strangers_see_models_only_where_the_catalogue_is_public", "nobody_passes_a_gate_without_what_it_demands"),
    20: ("stored keys go to their own address", "a_stored_key_goes_nowhere_but_to_its_own_address",
         "some_addresses_are_never_asked"),
    21: ("pictures run nothing", "an_svg_keeps_its_drawing_and_loses_what_could_run", "what_is_no_image_is_refused"),
    22: ("backups are data", "what_was_tampered_with_is_refused_and_nothing_changes", "the_store_keeps_to_its_folder"),
    23: ("odd names come back", "names_and_notes_come_back_as_they_were_written"),
    24: ("cells are no formulas", "exports_hold_what_the_screen_shows_and_no_formula",
         "the_export_has_the_filters_rows_and_no_formula"),
    25: ("holders only give up", "a_holder_lowers_quotas_and_brings_the_end_forward_and_nothing_else"),
    26: ("asking again is no way around", "nobody_turns_a_denied_or_suspended_one_active_by_cancelling",
         "an_administrators_end_cannot_be_escaped"),
    27: ("no model, no call", "an_empty_list_grants_nothing_and_other_models_are_not_on_the_key"),
    28: ("a status counts at once, both ways",
         "every_status_but_active_stops_the_model_at_once_and_active_brings_it_back",
         "links_stay_while_dormant_and_go_with_cancel"),
    29: ("what is over is granted, not approved", "approval_does_not_wake_what_is_over_but_a_grant_does"),
    30: ("quotas and ends need no job", "quotas_and_expiry_hold_at_the_instant_and_resets_count_anew",
         "a_quota_holds_over_two_gateways_for_all_keys_of_the_holder"),
    31: ("retiring is for one model, and undone", "retiring_touches_its_own_alone_and_can_be_undone"),
    32: ("an outage retires nothing", "health_follows_checks_and_an_outage_changes_nothing_else",
         "discovery_makes_drafts_and_nothing_else"),
    33: ("an update changes what it names", "a_partial_update_changes_what_it_names_and_equal_values_nothing"),
    34: ("a key's reset is the key's", "only_the_keys_own_window_is_reset_and_only_by_administrators",
         "rotation_changes_the_secret_and_nothing_else"),
    35: ("rotation changes the secret", "rotation_changes_the_secret_and_nothing_else",
         "a_key_that_cannot_be_used_gets_no_new_secret", "two_secrets_are_one_key_and_the_old_one_ends_with_its_grace"),
    36: ("nothing passes a maximum", "defaults_are_filled_in_and_all_violations_come_at_once"),
    37: ("limits change one by one", "each_limit_of_a_key_is_set_and_cleared_alone",
         "each_limit_of_a_model_on_a_key_is_set_and_cleared_alone",
         "each_limit_of_a_person_and_of_a_team_is_set_and_cleared_alone",
         "a_lowered_budget_binds_at_once_and_a_raised_one_frees_at_once"),
    38: ("use stays attributed", "renamed_and_deleted_things_keep_their_use_under_a_name",
         "an_archived_team_revokes_its_keys_and_keeps_its_name_in_usage",
         "anonymising_removes_the_person_and_keeps_the_id"),
    39: ("at once is as one by one", "requests_at_once_do_not_pass_the_count",
         "parallel_requests_make_one_and_decide_once"),
    40: ("what is stored is enforced", "a_key_is_made_shown_changed_and_revoked", "permissions_are_kinds_of_endpoints",
         "a_limit_per_model_counts_that_model_only"),
    41: ("limits survive a restart", "limits_that_an_administrator_set_survive_a_restart"),
    42: ("budgets hold, thresholds tell once", "forty_parallel_calls_on_a_budget_for_one_admit_exactly_one",
         "each_threshold_is_told_once_and_a_jump_tells_the_highest"),
    43: ("parts make the whole", "each_scope_has_its_own_calls_and_all_parts_add_up",
         "every_filter_holds_everywhere_and_the_parts_make_the_whole"),
    44: ("every breakdown adds up", "breakdowns_name_everything_and_page_to_the_same_total",
         "every_export_adds_up_to_the_statement", "analytics_by_cost_centre_say_what_chargeback_says"),
    45: ("filters hold everywhere", "filters_hold_for_every_figure",
         "each_call_counts_for_the_cost_centre_of_its_moment_everywhere"),
    46: ("figures are measured or unknown", "without_any_call_everything_is_zero",
         "speed_and_failures_are_of_the_last_minutes_and_unknown_without_calls",
         "every_filter_holds_everywhere_and_the_parts_make_the_whole",
         "what_was_estimated_is_marked_and_what_is_unknown_is_null"),
    47: ("all keys count, deleted ones too", "each_scope_has_its_own_calls_and_all_parts_add_up",
         "people_see_and_change_what_is_theirs"),
    48: ("half a sum is none", "a_sum_of_which_a_part_cannot_be_read_is_not_shown"),
    49: ("days are the installation's", "the_analytics_days_are_local_and_today_is_not_complete",
         "budgets_begin_anew_at_local_midnight"),
    50: ("small and large are exact", "a_nano_dollar_and_billions_of_tokens_are_exact"),
    51: ("prices name their unit; recounts agree", "people_see_models_and_never_what_is_behind_them",
         "every_cube_and_grain_sums_to_the_ledger_and_counting_anew_changes_nothing"),
    52: ("one shape of errors", "what_cannot_be_meant_is_refused_by_every_route_in_the_one_shape",
         "every_layer_answers_with_problems"),
    53: ("valid calls do not fail on our side", "nobody_passes_a_gate_without_what_it_demands",
         "every_answer_to_made_up_requests_is_one_that_the_contract_declares",
         "a_route_counts_by_its_template_and_only_when_it_succeeded"),
    54: ("what is wrong is refused by its name", "lists_refuse_orders_pages_and_days_that_there_are_not",
         "what_is_not_there_is_not_found"),
    55: ("a change shows the whole object", "a_patch_answers_with_what_a_get_would_show",
         "names_and_notes_come_back_as_they_were_written"),
    56: ("bodies that may be empty may be absent", "a_body_may_be_left_out_where_all_its_members_may"),
    57: ("lists say whether they go on", "no_list_ends_without_saying_so", "every_record_is_on_exactly_one_page"),
    58: ("what is gone leaves its trail", "what_is_deleted_keeps_its_audit",
         "a_dismissed_banner_comes_back_after_its_time_or_on_request",
         "each_visitor_sees_what_is_meant_for_them_the_most_important_first"),
    59: ("a failure is told as one", "a_refused_mutation_leaves_nothing_behind",
         "a_failure_is_told_in_words_for_people"),
    60: ("without the database nothing is made up", "health_tells_live_from_ready",
         "with_the_database_away_every_route_says_so_and_invents_nothing", "a_migration_that_fails_changes_nothing_and_is_told",
         "a_migration_that_fails_stops_the_start", "database_that_is_away_is_named_without_its_password"),
    61: ("replicas are one", "two_replicas_are_one", "replicas_share_one_count",
         "only_one_is_open_at_a_time_and_a_silent_one_is_ended"),
    62: ("a backup is of one moment", "a_backup_is_of_one_moment_while_people_go_on_writing",
         "a_rehearsal_leaves_nothing_behind_and_touches_nothing"),
    63: ("all comes back exactly", "what_comes_back_is_exactly_what_was_there"),
    64: ("looking leaves no trace", "reading_changes_no_account_and_no_audit", "reading_leaves_no_trace"),
    65: ("writes are repeated under one key only", "a_creating_request_is_done_once", "no_handler_sleeps",
         "what_a_receiver_refuses_for_good_is_not_sent_again"),
    66: ("many rows cost as few", "lists_cost_as_many_statements_for_many_rows_as_for_few",
         "equal_questions_at_once_are_asked_once_and_different_ones_apart"),
    67: ("nobody holds a transaction while asking", "no_transaction_is_open_while_somebody_else_is_asked",
         "bulk_limits_are_few_statements_for_ten_thousand"),
    68: ("pictures are not read to be named", "no_image_is_read_to_say_which_there_are",
         "what_is_older_than_the_retention_goes_and_that_is_audited"),
    69: ("notices arrive once", "a_notice_arrives_in_the_inbox_by_mail_and_at_the_webhook_once",
         "every_event_arrives_by_mail_and_webhook_once",
         "the_owner_hears_how_a_job_ended_and_of_some_failures_who_must_act"),
}  # fmt: skip
"""The pitfall's number → what we promise, and the tests that hold it, without their ``test_``."""
_SLEEPS = re.compile(r"\b(?:asyncio|time)\.sleep\(")
_GUESSABLE = re.compile(r"^(?:import random|from random )", re.MULTILINE)
CONTROL = TESTS.parent / "src/litemaas/control"


def test_each_pitfall_has_its_place() -> None:
    assert sorted(PITFALLS) == list(range(1, 70))


@pytest.mark.parametrize("number", PITFALLS)
def test_each_pitfall_is_held_by_tests_that_there_are(number: int) -> None:
    promise, *tests = PITFALLS[number]
    assert promise
    assert tests
    missing = [name for name in tests if f"test_{name}" not in _names()]
    assert not missing


def test_no_handler_sleeps() -> None:
    handlers = [*CONTROL.rglob("*endpoints.py"), *CONTROL.rglob("service.py"), *CONTROL.rglob("repository.py")]
    assert len(handlers) > 50
    works = {"jobs/service.py"}  # what runs in the background waits between two looks
    sleeping = {str(path.relative_to(CONTROL)) for path in handlers if _SLEEPS.search(path.read_text(encoding="utf-8"))}
    assert sleeping <= works | {"notices/endpoints.py"}  # the stream of news looks from time to time


def test_secrets_and_ids_are_not_guessed() -> None:
    guessable = [str(path) for path in CONTROL.rglob("*.py") if _GUESSABLE.search(path.read_text(encoding="utf-8"))]
    assert not guessable
    assert "hmac.compare_digest" in (CONTROL / "auth/service.py").read_text(encoding="utf-8")


@cache
def _names() -> frozenset[str]:
    written = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return frozenset(name for text in written for name in _TEST.findall(text))
