"""Has each numbered line of the deployment contract a test that would fail if it were broken, or a page that answers it?

``K``: what the role for keys adds. ``R``: rules of calls that older clients rely on. ``I``: requirements of the installation.
``P``: troubles of earlier deployments that must not come back. The promises are in our own words.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
_TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
LINES = {"K": 12, "R": 9, "I": 4, "P": 50}

PROMISES: dict[str, tuple[str, tuple[str, ...]]] = {
    "K1": ("Names of models are checked before any key is made; a wrong one is answered with the nearest that exist", (
        "test_unknown_models_are_refused_with_the_nearest", "test_what_is_wrong_is_named_and_no_key_is_made")),
    "K2": ("Limits per minute, in parallel and per window reach each key, and follow when they change", (
        "test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come",
        "test_changed_limits_update_all_keys_without_new_secrets")),
    "K3": ("One call makes all keys of a lab or none; the same call again returns the same keys", (
        "test_a_thousand_keys_are_one_call_of_seconds", "test_equal_calls_at_once_make_each_key_once",
        "test_a_second_run_gives_the_same_keys_and_a_longer_list_adds_the_new_ones")),
    "K4": ("A gateway without that call gives keys one by one, with a warning", (
        "test_an_older_gateway_makes_keys_one_by_one_and_a_failure_names_the_user",)),
    "K5": ("A provisioning key makes, reads, extends and ends keys within its bounds, and opens nothing else", (
        "test_a_provisioning_key_makes_the_keys_of_a_lab_and_its_bounds_are_named",
        "test_a_provisioning_key_makes_keys_within_its_bounds_and_a_refusal_names_the_bound",
        "test_a_provisioning_key_opens_nothing_else_and_ends_when_it_is_revoked_or_its_time_is_over")),
    "K6": ("What can be mended by waiting is tried again; what cannot fails at once with the server's words", (
        "test_an_answer_that_was_lost_and_a_busy_gateway_are_asked_again",
        "test_an_older_gateway_makes_keys_one_by_one_and_a_failure_names_the_user")),
    "K7": ("Labs of one and of many have the same limits and documents", (
        "test_a_lab_of_one_gets_its_key_once_and_for_all",
        "test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come")),
    "K8": ("The collection for keys needs no other one", ("test_the_collections_declare_each_other_and_nothing_else",)),
    "K9": ("Numbers arrive as numbers", ("test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come",)),
    "K10": ("No key is in what a play prints, but for the delivered message", (
        "test_no_key_is_in_the_log_but_the_delivered_one", "test_keys_are_not_returned_to_tasks_that_print_them")),
    "K11": ("One variable keeps the keys of others out of the lab's shared data", (
        "test_the_keys_of_others_are_not_published_when_that_is_off",)),
    "K12": ("Check mode names who would get a key, and does nothing", (
        "test_check_mode_reports_who_would_get_a_key_and_does_nothing",)),

    "R1": ("A second key of one alias is a 400 that says so, before anything is made", (
        "test_an_alias_in_use_is_refused_in_words_that_no_role_misreads",)),
    "R2": ("A deleted key ends at once everywhere", (
        "test_a_revoked_key_is_refused_within_a_second", "test_new_key_works_in_its_first_call_and_a_deleted_one_in_none")),
    "R3": ("No header has the name of a member that older roles look for", (
        "test_no_answer_has_a_header_that_older_roles_take_for_a_member",)),
    "R4": ("Numbers may come as text", ("test_litellms_limits_of_a_deployment_are_kept_as_numbers",)),
    "R5": ("A list of keys begins with the newest and is long enough for who never turns the page", (
        "test_list_pages_newest_first_and_gives_full_objects",
        "test_a_destroy_finds_its_key_behind_five_hundred_newer_ones_and_reports_only_real_deletions")),
    "R6": ("Times end in Z", ("test_list_pages_newest_first_and_gives_full_objects",
                              "test_info_answers_with_every_member_of_the_contract_for_key_and_hash")),
    "R7": ("The master key has no limits", ("test_the_master_key_has_no_record_and_unknown_keys_are_not_found",)),
    "R8": ("A key's id is not the key, and works where the key does", (
        "test_delete_takes_keys_hashes_and_aliases_by_post_and_delete",
        "test_info_answers_with_every_member_of_the_contract_for_key_and_hash")),
    "R9": ("A key may be made for somebody whom nobody has heard of", (
        "test_a_lab_of_one_gets_its_key_once_and_for_all",)),

    "I1": ("The role applies what the chart renders; there are no other templates", (
        "test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing",)),
    "I2": ("A second run changes nothing and keeps every secret", (
        "test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing",
        "test_a_second_run_changes_nothing")),
    "I3": ("A changed value restarts only who reads it", (
        "test_only_what_a_change_concerns_is_rolled_out", "test_a_change_restarts_exactly_who_uses_it")),
    "I4": ("The schema goes first, then pods are replaced, and no call fails", (
        "test_a_migration_runs_before_an_upgrade_and_not_before_an_installation",
        "test_one_of_each_dies_under_load_and_no_call_fails")),

    "P1": ("Provisioning twice gives the same keys and changes nothing", (
        "test_a_lab_of_one_gets_its_key_once_and_for_all",
        "test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come")),
    "P2": ("A failure in mid-lab ends with all keys, or names the user", (
        "test_a_gateway_that_restarts_in_mid_play_gives_all_keys",
        "test_an_older_gateway_makes_keys_one_by_one_and_a_failure_names_the_user")),
    "P3": ("A key behind hundreds of newer ones is found and ended, once", (
        "test_a_key_behind_five_hundred_newer_ones_is_found", "test_a_lab_is_extended_with_all_its_keys_and_destroyed_once")),
    "P4": ("Extending needs no secret in the lab's data and moves all keys", (
        "test_a_lab_is_extended_with_all_its_keys_and_destroyed_once",)),
    "P5": ("Budget, limits and documents reach the keys of labs of many", (
        "test_forty_users_have_forty_keys_on_every_run_and_more_when_more_come",)),
    "P6": ("Keys need nothing of Kubernetes", ("test_the_collections_declare_each_other_and_nothing_else",)),
    "P7": ("A model that is not there fails before a key is", ("test_what_is_wrong_is_named_and_no_key_is_made",)),
    "P8": ("A wrong credential is a 401, and no other 400 is taken for a duplicate", (
        "test_what_is_wrong_is_named_and_no_key_is_made",)),
    "P9": ("No key is in logs, diffs or failures", ("test_no_key_is_in_the_log_but_the_delivered_one",)),
    "P10": ("Every variable has an effect; a mistyped one is warned of", (
        "test_a_mistyped_or_retired_variable_is_warned_of", "test_every_variable_of_a_role_is_declared")),
    "P11": ("Whatever is in a key, the bastion's shell reads it; removal takes the file away", (
        "test_quotes_dollars_and_spaces_survive_the_shell",
        "test_the_role_of_keys_writes_and_removes_the_profile_on_its_group_of_bastions")),
    "P12": ("Delivering twice tells once; check mode writes nothing", (
        "test_messages_bodies_and_data_are_written_once_and_merged",
        "test_check_mode_writes_nothing_and_wrong_arguments_fail")),
    "P13": ("Of many who take one alias at once, one gets it", ("test_of_twenty_equal_aliases_at_once_one_is_made",)),
    "P14": ("No header is taken for a member, and the master key has no key info", (
        "test_no_answer_has_a_header_that_older_roles_take_for_a_member",
        "test_the_master_key_has_no_record_and_unknown_keys_are_not_found")),
    "P15": ("Keys are deleted by key, hash or alias, by POST or DELETE, and the answer tells the truth", (
        "test_delete_takes_keys_hashes_and_aliases_by_post_and_delete",)),
    "P16": ("Times end in Z, numbers sent as text come back as numbers", (
        "test_info_answers_with_every_member_of_the_contract_for_key_and_hash",
        "test_litellms_limits_of_a_deployment_are_kept_as_numbers")),
    "P17": ("An empty volume becomes a database by the image's own entry point", (
        "test_an_empty_volume_becomes_the_one_database_that_all_settings_name",)),
    "P18": ("A second run keeps Secrets to the byte and restarts nobody", (
        "test_a_second_run_changes_nothing",
        "test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing")),
    "P19": ("There is one database, and no setting names another", (
        "test_an_empty_volume_becomes_the_one_database_that_all_settings_name",)),
    "P20": ("Any password survives in a URL", (
        "test_odd_characters_survive_in_both_urls", "test_any_password_that_is_taken_reaches_the_url_unharmed")),
    "P21": ("Valkey asks everybody for its password", (
        "test_valkey_asks_for_its_password_whatever_is_in_it", "test_valkey_does_not_start_without_a_password")),
    "P22": ("Who does not need a part does not reach it", (
        "test_exactly_those_reach_a_part_that_need_it",
        "test_the_mcp_server_is_reached_by_its_clients_and_by_the_router_when_it_has_a_host")),
    "P23": ("Replicas, names and versions are the same in chart, roles and pages", (
        "test_replicas_database_and_version_are_the_same_everywhere",)),
    "P24": ("An image that nodes cannot pull is seen on the pod and replaced", (
        "test_an_image_that_cannot_be_pulled_is_replaced_and_stays_so",)),
    "P25": ("Inside the cluster Services are called, and certificates are checked unless somebody says otherwise", (
        "test_both_planes_start_with_what_they_are_given", "test_no_check_of_certificates_is_off_by_default")),
    "P26": ("A weak or usual secret stops rendering", (
        "test_a_weak_or_usual_secret_stops_the_rendering", "test_a_weak_master_key_stops_the_rendering")),
    "P27": ("An issuer alone configures sign-in, an external database needs nothing unrelated", (
        "test_an_issuer_alone_configures_sign_in",
        "test_an_external_database_needs_no_storage_and_plain_kubernetes_no_openshift")),
    "P28": ("A changed Secret or setting restarts exactly its readers", ("test_a_change_restarts_exactly_who_uses_it",)),
    "P29": ("helm test asks the parts, and the notes tell the true scheme", (
        "test_notes_say_http_where_there_is_no_tls", "test_helm_test_asks_every_part")),
    "P30": ("No role of the chart reads Secrets that the values do not name", (
        "test_no_role_of_the_chart_can_read_a_secret_that_the_values_do_not_name",)),
    "P31": ("Overlays keep the tag, and no password is in a command", (
        "test_overlays_are_patches_that_kubectl_applies", "test_no_secret_stands_outside_of_secrets")),
    "P32": ("Key clean-up is answered, and needs no crontab", (
        "test_expired_keys_go_and_living_ones_stay", "test_expired_and_old_keys_go_and_a_dry_run_only_names_them")),
    "P33": ("Removal leaves nothing outside of the namespace", (
        "test_nothing_is_left_in_the_cluster_outside_of_the_namespace",
        "test_a_second_run_changes_nothing_a_changed_value_only_its_consumers_and_removal_leaves_nothing")),
    "P34": ("Registering twice is one deployment; another address is a second one of the same model", (
        "test_a_model_is_callable_when_the_play_ends_and_a_second_run_changes_nothing",
        "test_drift_is_corrected_and_what_the_list_does_not_name_stays")),
    "P35": ("What an item leaves out stays", ("test_drift_is_corrected_and_what_the_list_does_not_name_stays",)),
    "P36": ("Ansible and the portal edit the same models", (
        "test_drift_is_corrected_and_what_the_list_does_not_name_stays",)),
    "P37": ("Models are registered without a cluster", (
        "test_a_model_is_callable_when_the_play_ends_and_a_second_run_changes_nothing",)),
    "P38": ("Taking unlisted models away deletes no subscription", (
        "test_unlisted_models_are_retired_or_removed_only_where_that_is_said",
        "test_a_model_that_is_subscribed_to_is_retired_and_not_deleted")),
    "P39": ("An engine below /v3 is asked below /v3", ("test_embedding_is_the_same_as_numbers_and_as_base64",
                                                     "test_a_list_of_prompts_is_held_at_one_answer_for_each_of_them")),
    "P40": ("Each model server has a monitor of its own, at its own port", (
        "test_each_model_has_its_own_monitor_at_the_port_of_its_runtime",)),
    "P41": ("The cluster's monitoring configuration keeps what others set there", (
        "test_the_readme_runs_twice_and_changes_nothing_again_and_removal_leaves_what_was_there_before",)),
    "P42": ("No key stands twice in a YAML file", (
        "test_yaml_is_written_well", "test_each_model_has_its_own_monitor_at_the_port_of_its_runtime")),
    "P43": ("Metrics are removed wholly, shared parts with their last user", (
        "test_what_two_namespaces_share_goes_with_the_last_of_them",)),
    "P44": ("Grafana lets nobody in unasked and carries nobody's name", (
        "test_grafana_s_objects_are_valid_and_let_nobody_in_unasked",
        "test_every_dashboard_has_an_address_of_its_own_and_no_old_hand")),
    "P45": ("Every query answers with old and new engines", (
        "test_every_query_of_every_dashboard_answers_with_either_generation",)),
    "P46": ("Resources stand where KServe reads them", ("test_a_model_fits_its_runtime_and_its_metrics_are_scraped",)),
    "P47": ("Nothing that looks like a key is in Git", (
        "test_no_key_stands_twice_and_none_is_a_secret", "test_every_manifest_is_valid_and_holds_no_secret")),
    "P48": ("Every playbook was run", ("test_every_playbook_of_the_collections_is_run_by_a_test",)),
    "P49": ("Scripts leave PATH alone and stop at the first failure", ("test_scripts_stop_at_a_failure_and_leave_path_alone",)),
    "P50": ("A rehearsal without an answer fails, and its key is in a Secret", (
        "test_a_rehearsal_without_one_answer_fails", "test_people_are_played_by_a_job_and_the_report_is_served")),
}  # fmt: skip
"""The contract's line → what we promise, and the tests that hold it."""


def test_each_line_has_its_place() -> None:
    assert sorted(PROMISES) == sorted(
        f"{part}{number}" for part, count in LINES.items() for number in range(1, count + 1)
    )
    assert all(words and tests for words, tests in PROMISES.values())


@pytest.mark.parametrize("line", PROMISES)
def test_each_line_is_held_by_tests_that_there_are(line: str) -> None:
    assert [name for name in PROMISES[line][1] if name not in _names()] == []


def test_every_playbook_of_the_collections_is_run_by_a_test() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (TESTS / "ansible").glob("*.py"))
    playbooks = sorted((ROOT / "ansible/rhpds").glob("*/playbooks/*.yml"))
    assert len(playbooks) > 10
    assert [path.name for path in playbooks if not re.search(rf"[\"'.]{path.stem}\b", texts)] == []


def test_scripts_stop_at_a_failure_and_leave_path_alone() -> None:
    scripts = [path for path in (ROOT / "deploy").rglob("*") if path.suffix == ".sh" or _is_shell(path)]
    assert len(scripts) >= 3
    for path in scripts:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
        assert lines[0].startswith("set -eu") or len(lines) == 1, path
        assert not [line for line in lines if re.match(r"\s*(export\s+)?PATH=", line)], path


def test_no_check_of_certificates_is_off_by_default() -> None:
    defaults = [*(ROOT / "ansible").rglob("defaults/main.yml"), ROOT / "deploy/helm/litemaas/values.yaml"]
    found = [
        (path, line)
        for path in defaults
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(verify_ssl|validate_certs|tls_verify)\s*:", line)
    ]
    assert len(found) >= 4
    assert [line for _, line in found if "true" not in line] == []


def _is_shell(path: Path) -> bool:
    return path.is_file() and path.suffix == "" and path.read_bytes().startswith(b"#!/bin/sh")


@cache
def _names() -> frozenset[str]:
    written = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return frozenset(name for text in written for name in _TEST.findall(text))
