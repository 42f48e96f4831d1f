"""HTTP clients: the certificates that they trust, and their cookies."""

import ssl
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2

from shared.servers.settings import InvalidSetting, Settings


@cache
def client_tls() -> ssl.SSLContext:
    """Return a context that trusts the machine's authorities and `OOC_TLS_AUTHORITY`.

    Made once: reading the authorities blocks the process for 20 ms. Raises `InvalidSetting`.
    """
    context, authority = httpx2.create_ssl_context(), Settings().tls_authority
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:  # ssl.SSLError is one
            raise InvalidSetting(
                f"OOC_TLS_AUTHORITY: {authority} has no certificate that can be read: {error}"
            ) from error
    return context


def shared_client(seconds: float, **options: Any) -> httpx2.AsyncClient:
    """Return an HTTP client that serves many people, so that it keeps no cookie. It asks no proxy."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx2.AsyncClient(timeout=seconds, trust_env=False, verify=client_tls(), cookies=no_cookies, **options)
