"""Which settings of sign-in does the process refuse to start with?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from litemaas.control.app.settings import Settings, check_settings
from litemaas.control.signin.service import is_own_path
from litemaas.control.signin.settings import default_roles_of, group_roles_of, initial_admins_of, is_loopback
from litemaas.core.permissions import Role
from litemaas.kit.settings import SettingsError, load_settings

_BASE = Settings(
    database_url="postgresql://x", master_key="sk-0123456789abcdef", encryption_key="0123456789abcdef",
    public_url="https://maas.example.org",
)  # fmt: skip
_OIDC = {"oidc_issuer": "https://sso.example.org", "oidc_client_id": "litemaas"}
_UP = {"developer_sign_in": True, "host_policy": "single-machine", "public_url": None}


def checked(**members: Any) -> Settings:
    return check_settings(msgspec.structs.replace(_BASE, **members))


def test_a_provider_and_the_people_of_a_single_machine_are_accepted():
    checked(**_OIDC)
    checked(**_UP)
    checked(**_UP | {"public_url": "http://localhost:8080"})
    checked(**_OIDC | {"oidc_issuer": "http://127.0.0.1:9000", "host_policy": "single-machine"})


@pytest.mark.parametrize(
    ("members", "variable"),
    [
        ({"developer_sign_in": True}, "DEVELOPER_SIGN_IN"),
        (_UP | {"host_policy": "cluster"}, "DEVELOPER_SIGN_IN"),
        (_UP | {"public_url": "https://maas.example.org"}, "DEVELOPER_SIGN_IN"),
        (_UP | _OIDC | {"public_url": "http://localhost"}, "DEVELOPER_SIGN_IN"),
        (_UP | {"control": msgspec.structs.replace(_BASE.control, host="0.0.0.0")}, "DEVELOPER_SIGN_IN"),
        ({"oidc_issuer": "https://sso.example.org"}, "OIDC"),
        (_OIDC | {"oidc_issuer": "http://sso.example.org"}, "OIDC_ISSUER"),
        (_OIDC | {"oidc_issuer": "http://127.0.0.1:9000"}, "OIDC_ISSUER"),
        (_OIDC | {"oidc_issuer": "https://user:secret@sso.example.org"}, "OIDC_ISSUER"),
        (_OIDC | {"oidc_scopes": "profile"}, "OIDC_SCOPES"),
        (_OIDC | {"public_url": None}, "PUBLIC_URL"),
        ({"openshift_oauth_url": "https://oauth.example.org"}, "OPENSHIFT"),
        ({"role_groups": "a=root"}, "ROLE_GROUPS"),
        ({"role_groups": "admin"}, "ROLE_GROUPS"),
        ({"default_roles": "everything"}, "DEFAULT_ROLES"),
        ({"bootstrap_token": "lmt_short"}, "BOOTSTRAP_TOKEN"),
        ({"bootstrap_token": "x" * 40}, "BOOTSTRAP_TOKEN"),
        ({"ca_bundle": "/nowhere/ca.crt"}, "CA_BUNDLE"),
        ({"default_user_budget_duration": "soon"}, "DEFAULT_USER_BUDGET_DURATION"),
    ],
)
def test_what_is_unsafe_or_unreadable_stops_the_start(members: dict[str, Any], variable: str):
    with pytest.raises(SettingsError) as refused:
        checked(**members)
    assert f"LITEMAAS_{variable}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_roles_of_groups_add_to_the_built_in_ones():
    settings = msgspec.structs.replace(_BASE, role_groups=" a=b =admin, user;litemaas-users=readonly; ")
    roles = group_roles_of(settings)
    assert roles["a=b"] == (Role.ADMIN, Role.USER)
    assert roles["litemaas-users"] == (Role.READONLY,)
    assert roles["litemaas-admins"] == (Role.ADMIN, Role.USER)
    assert default_roles_of(msgspec.structs.replace(_BASE, default_roles="none")) == ()
    assert initial_admins_of(msgspec.structs.replace(_BASE, initial_admins="Ann, b@X.org,,")) == {"ann", "b@x.org"}


def test_everything_comes_from_the_environment():
    environ = {
        "LITEMAAS_DATABASE_URL": "postgresql://x", "LITEMAAS_MASTER_KEY": "sk-0123456789abcdef",
        "LITEMAAS_ENCRYPTION_KEY": "0123456789abcdef", "LITEMAAS_DEFAULT_USER_MAX_BUDGET": "12.5",
        "LITEMAAS_LINK_BY_VERIFIED_EMAIL": "true", "LITEMAAS_DEFAULT_USER_TPM": "7",
    }  # fmt: skip
    settings = load_settings(Settings, environ)
    assert (str(settings.default_user_max_budget), settings.link_by_verified_email) == ("12.5", True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_these_hosts_are_this_machine(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "localhost.evil.example", "10.0.0.1", "maas.example.org", "2130706433"]
)
def test_these_hosts_are_not(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize("path", ["//x", "/\\x", "https://x", "x", "", "/a\tb", "/ä", "\\\\x", "/x\\..\\y"])
def test_these_paths_lead_elsewhere(path: str):
    assert not is_own_path(path)
