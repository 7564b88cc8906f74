"""What may a key call, and how is it named without giving it away?"""

from __future__ import annotations

import re

import pytest

from litemaas.core.keys import VirtualKey, generate_key, hash_key, key_model_scope, key_scope, mask_key
from litemaas.core.limits import UNLIMITED, BudgetRule, RateRule, enforced


def key(*models: str) -> VirtualKey:
    return VirtualKey(key_hash="h", key_name="sk-...abcd", models=models)


def test_a_new_secret_has_the_form_that_clients_expect_and_is_never_the_same() -> None:
    secrets = {generate_key() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"sk-[A-Za-z0-9_-]{22}", secret) for secret in secrets)


def test_a_key_is_stored_as_sha256() -> None:
    assert hash_key("sk-test") == "f3abf2a6cc4f00987743db5f544ba345b4899ae31f326d8ee9c4816de153c9e0"
    assert hash_key("sk-a") != hash_key("sk-b")


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("sk-1lY4w2u9m6qTTdLHJ0w6gA", "sk-...w6gA"),
        ("sk-12345678", "sk-...5678"),
        ("sk-1234567", "sk-..."),
        ("", "sk-..."),
    ],
)
def test_a_mask_never_tells_most_of_a_short_key(secret: str, told: str) -> None:
    assert mask_key(secret) == told


@pytest.mark.parametrize(
    ("models", "model", "groups", "may"),
    [
        ((), "granite", (), True),
        (("granite",), "granite", (), True),
        (("granite",), "granite-3", (), False),
        (("granite",), "Granite", (), False),
        (("all-proxy-models",), "anything", (), True),
        (("all-team-models",), "anything", (), True),
        (("no-default-models",), "granite", (), False),
        (("no-default-models",), "no-default-models", (), True),
        (("*",), "org/model", (), True),
        (("org/*",), "org/model", (), True),
        (("org/*",), "organization", (), False),
        (("workshop",), "granite", ("workshop",), True),
        (("workshop",), "granite", ("other",), False),
        (("other", "workshop"), "granite", ("a", "workshop"), True),
    ],
)
def test_a_list_opens_names_groups_and_wildcards(
    models: tuple[str, ...], model: str, groups: tuple[str, ...], may: bool
) -> None:
    assert key(*models).may_call(model, groups) is may


def test_a_refusal_names_what_the_key_may_call() -> None:
    assert "granite, org/*" in key("granite", "org/*").refuse_model("x").message
    assert key("no-default-models").refuse_model("x").message.endswith("models: none")


def test_rules_of_one_model_are_added_to_those_of_the_key() -> None:
    general, own = BudgetRule("key:h", "key", 10), BudgetRule("key:h/model:m", "key and model m", 5)
    rate, own_rate = RateRule("key:h", "key", 1), RateRule("key:h/model:m", "key and model", 2)
    virtual = VirtualKey(
        key_hash="h",
        key_name="n",
        budgets=(general,),
        rates=(rate,),
        model_budgets={"m": own},
        model_rates={"m": own_rate},
    )
    assert virtual.budgets_for("m") == (general, own)
    assert virtual.budgets_for("other") == (general,)
    assert virtual.rates_for("m") == (rate, own_rate)
    assert virtual.rates_for("other") == (rate,)
    assert (key_scope("h"), key_model_scope("h", "m")) == (general.scope, own.scope)


def test_the_number_for_no_limit_is_not_enforced() -> None:
    assert enforced(UNLIMITED) is enforced(UNLIMITED + 1) is enforced(None) is None
    assert enforced(UNLIMITED - 1) == UNLIMITED - 1
    assert enforced(0) == 0
    assert RateRule("s", "key").is_empty
    assert not RateRule("s", "key", rpm=0).is_empty
    assert not RateRule("s", "key", tpm=0).is_empty
    assert not RateRule("s", "key", parallel=0).is_empty
