"""Which addresses may this process call?"""

from __future__ import annotations

import asyncio

import pytest

from litemaas.kit.outbound import AddressRefused, call, judge


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:4860::8888"])
def test_private_and_public_addresses_pass(address: str):
    judge(address, loopback_allowed=False)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe", "168.63.129.16",
        "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "100.100.100.200",
    ],
)  # fmt: skip
def test_link_local_and_metadata_never_pass_in_no_disguise(address: str):
    with pytest.raises(AddressRefused):
        judge(address, loopback_allowed=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.9.10", "::ffff:127.0.0.1"])
def test_loopback_passes_only_where_it_is_allowed(address: str):
    judge(address, loopback_allowed=True)
    with pytest.raises(AddressRefused):
        judge(address, loopback_allowed=False)


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http:///x", "https://user:pw@example.org/", "file:///etc/passwd"]
)
async def test_other_schemes_and_credentials_in_addresses_are_refused(url: str):
    with pytest.raises(AddressRefused):
        await call("GET", url, headers={})


async def test_a_call_goes_to_the_judged_address_with_the_hosts_name_and_is_not_redirected():
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://localhost:{port}/hook"
        answer = await call("POST", url, headers={"X-A": "b"}, content=b"{}", loopback_allowed=True)
        assert (answer.status, answer.body) == (302, b"hi")
        assert f"host: localhost:{port}".encode() in seen[0].lower()
        with pytest.raises(AddressRefused):
            await call("POST", url, headers={}, content=b"{}")
    assert len(seen) == 1
