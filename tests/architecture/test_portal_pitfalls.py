"""Has each numbered pitfall of the portal's contract something that would fail if we fell into it?

The proofs are names of Python tests, titles of the portal's own tests and journeys, or files that a person or a linter checks.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
_TITLE = re.compile(r"^(?:test|journey)\(\"((?:[^\"\\]|\\.)+)\"", re.MULTILINE)

READER = "who only reads sees every page of administration and nothing that changes anything"
FIRST = "the first five minutes: sign in, pick a model, make a key, call with it, see the call"
ANALYTICS = "analytics are filtered, shown as a table, and exported as they are filtered"
PLAYGROUND = "the playground streams an answer with its figures, and stops one that is too long"
LANGUAGE = "another language needs no reload and speaks in pages, dates and the document"
APPROVAL = "restricted access is asked for with a reason, approved, and the person is told"
LIST = "search, order and page stand in the address, and a new search goes to page 1"
RESTRICTED = "test_restricting_sends_back_to_the_queue_and_lifting_it_approves_those_alone"
ENDED = "a session that the server has ended leads to sign-in once, says so, and comes back"

PITFALLS: dict[int, tuple[str, tuple[str, ...]]] = {
    # Truth of data
    1: (
        "figures are the server's",
        (FIRST, "capacity shows every endpoint, and estimates only from what was measured"),
    ),
    2: (
        "total tokens are prompt and completion everywhere",
        (
            "test_without_any_call_everything_is_zero",
            "test_breakdowns_name_everything_and_page_to_the_same_total",
            "test_exports_hold_what_the_screen_shows_and_no_formula",
        ),
    ),
    3: ("lists say how many there are and page to the end", (LIST, "test_every_record_is_on_exactly_one_page")),
    4: ("back to the first page is the first page", (LIST,)),
    5: (
        "filters and totals are of everything",
        ("test_filters_hold_for_every_figure", "test_options_are_what_occurs_most_used_first"),
    ),
    6: (
        "what is asked for is asked of all keys and subscriptions",
        ("test_the_catalogue_knows_ones_own_subscription", "of my models only those that need a look are named"),
    ),
    7: ("one's own usage is filtered by model and key", ("test_each_scope_has_its_own_calls_and_all_parts_add_up",)),
    8: ("links to usage carry their filter", ("several values stand in one place of the address, commas and all",)),
    9: ("one's own usage names nobody else", ("test_ones_own_scope_names_nobody_else",)),
    10: ("dearer is not good", ("dearer is never shown as good, and from nothing there is no percentage",)),
    11: (
        "small costs are not zero",
        ("small money keeps two digits that say something, in the currency and language of the reader",),
    ),
    12: ("weeks have their year", ("weeks are told apart by their own year, and equal days have one shade",)),
    13: ("free is free, unknown is a dash", ("zero is free, what nobody priced is a dash",)),
    14: (
        "a failure is no empty list",
        (
            "a load that failed never looks like an empty list",
            "a failure says why, with the request id, and can be tried again",
        ),
    ),
    15: ("statuses have words of their own", ("every status has its own word; what is not known is shown as it is",)),
    16: ("charts name models as people do", ("test_people_see_models_and_never_what_is_behind_them", ANALYTICS)),
    17: (
        "what the server says is shown",
        ("portal/src/concepts/requests/RequestLog.tsx", "portal/src/concepts/subscriptions/History.tsx"),
    ),
    18: ("what is described can be reached", (ANALYTICS, "portal/src/features/playground/Prompts.tsx")),
    # Actions
    19: ("nobody resets their own spend", ("test_only_the_keys_own_window_is_reset_and_only_by_administrators",)),
    20: ("limits can be cleared", ("a limit is changed and cleared again, a banner appears and goes",)),
    21: (
        "access is asked for with a reason, the quota is the server's",
        (APPROVAL, "test_an_open_model_is_active_at_once_with_default_quotas"),
    ),
    22: (
        "a no is not for ever",
        (
            "test_nobody_turns_a_denied_or_suspended_one_active_by_cancelling",
            "test_links_stay_while_dormant_and_go_with_cancel",
        ),
    ),
    23: (
        "after approval the chosen keys have the model",
        ("test_a_restricted_model_waits_for_approval_and_tells_who_decides",),
    ),
    24: (
        "who is promised news gets it",
        (APPROVAL, "test_a_notice_arrives_in_the_inbox_by_mail_and_at_the_webhook_once"),
    ),
    25: (
        "what is missing is said at its field",
        ("the first field that must be mended gets the focus", "each step says at the field what must be mended"),
    ),
    26: (
        "who is concerned is said first",
        (
            RESTRICTED,
            "test_retiring_touches_its_own_alone_and_can_be_undone",
            "models are given and taken; what is taken away is said before",
        ),
    ),
    27: ("an endpoint needs no key", ("test_a_connection_test_says_what_it_found",)),
    28: ("one write is enough", ("test_a_model_is_created_listed_changed_and_deleted",)),
    29: (
        "long work is the server's",
        (
            "test_a_job_tells_its_progress_and_result_to_those_with_its_permission",
            "test_an_administrator_makes_tries_downloads_and_restores_a_backup",
        ),
    ),
    30: ("downloads are the browser's", (ANALYTICS, "portal/src/concepts/usage/ExportButton.tsx")),
    31: (
        "several banners with time and audience",
        ("test_each_visitor_sees_what_is_meant_for_them_the_most_important_first",),
    ),
    32: (
        "a new logo is seen at once, with one limit",
        (
            "test_an_image_has_an_address_that_changes_with_its_content",
            "test_a_large_image_is_refused",
            "test_an_upload_passes_and_one_that_is_too_large_is_refused",
        ),
    ),
    33: (
        "one form for keys, one dialog at a time",
        (
            "portal/src/concepts/keys/KeyForm.tsx",
            "what people open has no serious barrier, closes with Escape and gives the focus back",
        ),
    ),
    34: (
        "lists sort, filters have an address",
        (LIST, "test_the_queue_is_filtered_and_bulk_decisions_name_what_failed"),
    ),
    35: ("the audit is not drowned by reading", ("test_reading_leaves_no_trace", "test_who_is_refused_is_audited")),
    # Playground and code
    36: ("the playground has no key in the browser", (PLAYGROUND, "test_nobody_plays_with_somebody_elses_key")),
    37: (
        "what was written and answered stays",
        ("a refusal keeps its code and its request id", "test_a_refusal_keeps_the_gateways_words"),
    ),
    38: ("a stream without an end ends", ("an answer without its final marker counts as interrupted",)),
    39: (
        "speed leaves out the waiting, cost has our prices",
        (
            "what a call costs is reckoned with the prices of the catalogue",
            "portal/src/features/playground/conversation.ts",
        ),
    ),
    40: (
        "code is valid and without a secret",
        (
            "no variant holds a key unless somebody asked for it",
            "curl sends what was written, whatever stands in it, with the key of the environment",
            "Python, JavaScript and shell are valid in every variant, with and without a key",
        ),
    ),
    41: ("a clipboard that refuses is said", ("a clipboard that refuses is said",)),
    # Session and security
    42: ("no token where scripts reach", (FIRST, "test_sessions_are_listed_and_ended_by_their_owner_alone")),
    43: (
        "the end is announced, deep links come back, targets are ours",
        (
            "a deep link survives sign-in, with its query and its hash",
            "a target outside of this portal is not followed",
            "the end of a session is announced five minutes before, and renewed with the token of this page",
            ENDED,
        ),
    ),
    44: (
        "routes check what menus hide",
        (
            "a page without the right is refused and asks for no data",
            "a page without the right is refused before it asks for data",
        ),
    ),
    45: ("who only reads changes nothing", (READER, "test_the_overseer_can_change_nothing")),
    46: (
        "every role is known, groups take away again",
        ("test_roles_follow_groups_and_granted_ones_stay", "test_roles_and_accounts_are_read_with_every_request"),
    ),
    47: (
        "nobody chooses a role",
        ("test_elsewhere_these_routes_do_not_exist", "test_nobody_passes_a_gate_without_what_it_demands"),
    ),
    48: (
        "revealing is bounded and wants a fresh sign-in",
        ("test_reveal_is_for_the_owner_who_has_just_signed_in", "test_how_recent_a_sign_in_must_be_is_a_setting"),
    ),
    49: (
        "files and drawings run nothing",
        (
            "an export opens in a spreadsheet without running anything",
            "test_an_svg_keeps_its_drawing_and_loses_what_could_run",
        ),
    ),
    50: (
        "browsers call nobody else",
        ("test_a_page_may_run_only_scripts_of_this_origin", "test_the_start_page_is_served_with_a_strict_policy"),
    ),
    # Speed and robustness
    51: ("what is not needed is not loaded", ("test_the_first_view_is_small", "test_no_other_chunk_is_large")),
    52: ("search keeps the focus and waits", (LIST, "portal/src/components/Filters.tsx")),
    53: ("a filter keeps the page in place", (LIST,)),
    54: ("one cache, nothing at window focus", ("portal/src/lib/api.ts", "portal/src/lib/product.ts")),
    55: (
        "the first view waits for nothing else",
        ("without a connection a page says so instead of loading for ever, and can be tried again",),
    ),
    56: ("analytics stay below the rate limit", (ANALYTICS, "test_principals_that_ask_too_often_wait")),
    57: ("charts are not made anew", ("portal/src/components/charts/Charts.tsx",)),
    58: ("one broken widget", ("one failing widget does not take the page down",)),
    59: (
        "dependencies are locked",
        ("test_dependencies_are_installed_by_hash_from_wheels", "portal/package-lock.json"),
    ),
    # Accessibility, language, layout
    60: (
        "what needs an answer stays",
        (
            "what needs an answer stays until it is closed",
            "a form that somebody has typed into asks before it is thrown away, once",
        ),
    ),
    61: (
        "no traps, states are told",
        (
            "what administrators open of models, people and requests has no serious barrier",
            "what administrators open of settings, usage, teams and workshops has no serious barrier",
            "whoever is asked to confirm stands on Cancel, and a refusal stays to be read",
        ),
    ),
    62: ("everything follows the language", (LANGUAGE, "portal/eslint.config.js", "portal/scripts/check-texts.mjs")),
    63: ("colours follow the theme", ("the theme follows the system until somebody chooses, and the choice is kept",)),
    64: (
        "tables have labels on phones",
        ("each cell of a small table says what it is, and the roles stay when it is laid out as blocks",),
    ),
    65: ("home is alive", ("administrators read what is wrong with the platform", FIRST)),
    # Delivery
    66: (
        "versions agree and are pinned",
        ("test_base_images_have_a_version", "test_hooks_and_pods_agree_on_the_image_of_the_chart_s_version"),
    ),
    67: (
        "headers and limits are set",
        (
            "test_every_page_of_the_portal_is_its_index_and_asked_for_again",
            "test_files_with_a_hash_are_kept_for_ever_and_come_compressed",
            "test_a_page_may_run_only_scripts_of_this_origin",
        ),
    ),
    68: (
        "addresses inside and outside differ",
        (
            "test_nobody_comes_in_from_outside_where_nothing_is_exposed",
            "test_api_calls_arrive_with_the_browser_s_host_and_scheme",
        ),
    ),
    69: (
        "no default secret",
        (
            "test_a_weak_or_usual_secret_stops_the_rendering",
            "test_any_password_that_is_taken_reaches_the_url_unharmed",
            "test_no_secret_stands_in_a_log_or_in_the_environment_or_arguments_of_a_process",
        ),
    ),
    70: ("the issuer arrives", ("test_an_issuer_alone_configures_sign_in",)),
    71: (
        "workloads are confined and follow their secrets",
        (
            "test_every_container_runs_restricted",
            "test_a_change_restarts_exactly_who_uses_it",
            "test_no_role_of_the_chart_can_read_a_secret_that_the_values_do_not_name",
        ),
    ),
    72: (
        "one source of deployment",
        ("test_overlays_are_patches_that_kubectl_applies", "test_openshift_has_three_routes_that_wait_for_ten_minutes"),
    ),
    73: (
        "browsers are tested, sizes and contract hold",
        (
            "test_the_journeys_succeed",
            "test_the_first_view_is_small",
            "test_the_typed_client_is_made_from_the_current_contract",
        ),
    ),
}
"""The contract's number → what holds, and what proves it."""


def test_each_pitfall_has_its_place() -> None:
    assert sorted(PITFALLS) == list(range(1, 74))


@pytest.mark.parametrize("number", PITFALLS)
def test_each_pitfall_has_proofs_that_there_are(number: int) -> None:
    words, proofs = PITFALLS[number]
    assert words
    assert proofs
    assert [proof for proof in proofs if not _is_there(proof)] == []


def _is_there(proof: str) -> bool:
    if proof.startswith("portal/"):
        return (PROJECT / proof).is_file()
    return proof in (_tests() if proof.startswith("test_") else _titles())


@cache
def _tests() -> frozenset[str]:
    written = (path.read_text(encoding="utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    return frozenset(name for text in written for name in _TEST.findall(text))


@cache
def _titles() -> frozenset[str]:
    folder = PROJECT / "portal/tests"
    files = [*folder.glob("*.test.ts*"), *folder.glob("journeys/*.test.mjs")]
    return frozenset(title for file in files for title in _TITLE.findall(file.read_text(encoding="utf-8")))
