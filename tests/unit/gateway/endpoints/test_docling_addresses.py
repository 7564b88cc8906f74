"""Is a model server sent to public addresses only, whatever the spelling?"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.endpoints.docling_calls import Resolver
from tests.unit.gateway.http.dialogue import examples

from litemaas.core.errors import InvalidField
from litemaas.gateway.endpoints.public_addresses import PublicAddresses, Resolve, host_of, is_public, resolve_host
from litemaas.gateway.http.stepping import stepped


async def judge(url: str, resolve: Resolve | None = None, *allowed: str, timeout_s: float = 30.0) -> bool:
    judge = PublicAddresses(allowed, resolve or Resolver(), timeout_s)
    try:
        await stepped(judge.check({"sources.0.url": url}))
    except InvalidField as refused:
        return refused.field != "sources.0.url"
    return True


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.215.14", "100.63.255.255", "172.15.0.1", "172.32.0.1", "192.167.255.255", "2606:4700::1111",
     "2001:200::1", "2a00:1450:4001::1"],
)  # fmt: skip
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "::127.0.0.1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::8.8.8.8",
        "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:a00:1::",
        "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0",
        "fec0::1", "ff02::1", "not an address", "",
    ],
)  # fmt: skip
def test_address_that_is_special_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://docs.example.org", "HTTPS://Docs.Example.org:8443/a/b.pdf?x=1&y=@z#f", "http://docs.example.org./",
     "http://8.8.8.8/", "http://8.8.8.8.", "http://[2606:4700::1111]:80/", "https://docs.example.org/%C3%A9/é"],
)  # fmt: skip
async def test_plain_public_address_is_accepted(url: str) -> None:
    assert await judge(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://docs.example.org/", "file:///etc/passwd", "gopher://docs.example.org", "//docs.example.org/", "docs.example.org",
        "http:docs.example.org", "http:/docs.example.org", "http:///docs.example.org", "http:\\\\docs.example.org",
        "http://docs.example.org\\@10.0.0.1/", "http://me:secret@docs.example.org/", "http://@docs.example.org/",
        "http://10.0.0.1#@docs.example.org/", "http://docs.example.org:0/", "http://docs.example.org:65536/",
        "http://docs.example.org:80:80/", "http://docs.example.org:x/", " http://docs.example.org/",
        "http://docs.example.org/ ",
        "http://docs.example.org/a b", "http://docs.example.org/\r\nHost: x", "ht\ttp://docs.example.org/",
        "http://docs.exam\x00ple.org/", "http://doc%73.example.org/", "http://ｄocs.example.org/", "http://１２７.0.0.1/",
        "http://docs。example。org/", "http://docs.example.org/" + "a" * 8192, "http://", "http://?", "",
        "http://127.0.0.1/", "http://127.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://2130706433/",
        "http://0177.0.0.1/", "http://127.0.0.1./", "http://127.0.0.01/", "http://8.8.8.8.8/", "http://1.2.3.0x4/", "http://0x/",
        "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::]/",
        "http://[fe80::1%25eth0]/", "http://[64:ff9b::169.254.169.254]/", "http://[2002:7f00:1::]/", "http://[8.8.8.8]/",
        "http://[2606:4700::1111/", "http://[::1]docs.example.org/", "http://[:]/", "http://[1:2]/",
        "http://localhost/", "http://metadata/", "http://metadata.google.internal/", "http://db.platform.svc/",
        "http://db.platform.svc.cluster.local/", "http://printer.local", "http://a.localhost/", "http://.example.org/",
        "http://docs..example.org/", "http://unknown.example.org/",
    ],
)  # fmt: skip
async def test_everything_else_is_refused(url: str) -> None:
    resolver = Resolver(localhost=["8.8.8.8"], metadata=["8.8.8.8"], printer__local=["8.8.8.8"])
    assert not await judge(url, resolver)


@pytest.mark.parametrize(
    "found",
    [
        ["10.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::1"],
        ["fe80::1%2"],
        [],
    ],
)
async def test_name_is_judged_by_every_address_it_resolves_to(found: list[str]) -> None:
    assert not await judge("http://rebind.example.org/", Resolver(rebind__example__org=found))


async def test_refusal_does_not_tell_whether_a_name_exists() -> None:
    resolver = Resolver(private__example__org=["10.0.0.1"])
    told = set()
    for name in ("private.example.org", "unknown.example.org"):
        with pytest.raises(InvalidField) as refused:
            await stepped(PublicAddresses((), resolver, 30.0).check({"sources.0.url": f"http://{name}/"}))
        told.add(refused.value.message)
    assert len(told) == 1
    assert "10.0.0.1" not in told.pop()


async def test_lookup_that_does_not_end_is_refused_in_time() -> None:
    async def never(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    assert not await judge("http://slow.example.org/", never, timeout_s=0.01)


async def test_name_that_cannot_be_encoded_is_refused() -> None:
    assert not await judge(f"http://{'a' * 70}.example.org/", resolve_host)


async def test_defect_of_the_resolver_is_not_hidden() -> None:
    async def broken(host: str) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await judge("http://docs.example.org/", broken)


@pytest.mark.parametrize(
    "url", ["http://docs.intern.svc/a", "HTTP://DOCS.intern.svc.:8080/", "http://10.1.2.3/", "http://[fd00::1]/"]
)
async def test_allowed_host_is_not_looked_up(url: str) -> None:
    resolver = Resolver()
    assert await judge(url, resolver, "Docs.Intern.svc", "10.1.2.3", "[fd00::1]")
    assert resolver.asked == []


@pytest.mark.parametrize(
    "url", ["http://a.docs.intern.svc/", "ftp://docs.intern.svc/", "http://me@docs.intern.svc/", "http://10.1.2.4/"]
)
async def test_allowed_host_allows_nothing_else(url: str) -> None:
    assert not await judge(url, None, "docs.intern.svc", "10.1.2.3")


async def test_system_resolver_answers_in_plain_addresses() -> None:
    assert set(await resolve_host("127.0.0.1")) == {"127.0.0.1"}


@examples(200)
@given(st.text(alphabet="htps:/\\@.[]%?#0123456789abcdefx\t\n é-_", max_size=40))
def test_host_is_found_only_where_every_parser_finds_it(rest: str) -> None:
    try:
        host = host_of("http://" + rest, "url")
    except InvalidField:
        return
    assert rest.lower().lstrip("[").startswith(host)
    after = rest.lower().lstrip("[")[len(host) :].lstrip("].")
    assert after == "" or after[0] in ":/?#"


async def dialled(url: str, *found: str, allowed: tuple[str, ...] = ()) -> tuple[str, str] | None:
    """Where a call of our own goes, and under which name; None if it is refused."""

    async def resolve(_host: str) -> list[str]:
        if not found:
            raise OSError("no such name")
        return list(found)

    try:
        return await stepped(PublicAddresses(allowed, resolve, 30.0).judged(url, "api_base"))
    except InvalidField:
        return None


async def test_a_call_of_our_own_goes_to_the_address_that_was_judged() -> None:
    assert await dialled("https://Models.example/v1", "8.8.8.8", "8.8.4.4") == ("8.8.8.8", "models.example")
    assert await dialled("https://8.8.8.8:8443/v1") == ("8.8.8.8", "8.8.8.8")
    assert await dialled("http://[2606:4700::1111]/v1") == ("2606:4700::1111", "2606:4700::1111")
    for found in ((), ("10.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("::1",)):
        assert await dialled("https://models.example/v1", *found) is None
    for url in ("http://10.0.0.1/v1", "http://engine/v1", "ftp://models.example/v1", "https://a:b@models.example/v1"):
        assert await dialled(url, "8.8.8.8") is None


async def test_a_host_that_is_allowed_is_dialled_by_its_name() -> None:
    assert await dialled("http://engine:8000/v1", allowed=("engine",)) == ("engine", "engine")
