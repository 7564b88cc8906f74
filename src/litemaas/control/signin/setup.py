"""How does sign-in come out of the settings? The providers that are set, and the rules of accounts."""

from __future__ import annotations

from litemaas.control.http.rates import Rates
from litemaas.control.signin.accounts import AccountRules
from litemaas.control.signin.identities import Provider
from litemaas.control.signin.oidc import OidcProvider
from litemaas.control.signin.openshift import OpenShiftProvider
from litemaas.control.signin.service import SignIn
from litemaas.control.signin.settings import SignInSettings, Surroundings


def sign_in_of(settings: SignInSettings, around: Surroundings, rates: Rates) -> SignIn:
    """Nobody is asked before the first sign-in."""
    providers: list[Provider] = []
    if settings.oidc_issuer is not None:
        providers.append(OidcProvider(settings, single_machine=around.single_machine))
    if settings.openshift_oauth_url is not None:
        providers.append(OpenShiftProvider(settings))
    return SignIn(
        providers={provider.name: provider for provider in providers},
        rules=AccountRules.of(settings),
        rates=rates,
        public_url=around.public_url,
        developer_sign_in=settings.developer_sign_in,
    )
