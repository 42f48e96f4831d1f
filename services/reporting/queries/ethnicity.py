"""A grant of keys for one question: opens the recorded ethnicities that the question needs, and nothing else.

Reporting holds no keys. A caller who may ask by ethnic group hands a grant to the query; the words live for that one answer,
and only counts by group leave it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.disposal.summary import SealedTexts
from shared.domain.sealing import SealedToken, unseal
from shared.privacy.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Grant:
    """What opens sealed words, without those that are forgotten, and the secret by which it proves what it published."""

    open: Callable[[Sequence[SealedTexts]], Awaitable[Mapping[SealedTexts, str]]]
    secret: bytes = field(repr=False)


def keyring_grant(keyring: Keyring, secret: bytes) -> Grant:
    """Return a grant by a keyring whose database role may only read keys. It raises `KeyringUnavailable`."""

    async def opened(sealed: Sequence[SealedTexts]) -> Mapping[SealedTexts, str]:
        tokens = {words: SealedToken.parse(words.token) for words in sealed}
        keys = await keyring.open({(token.subject, token.generation) for token in tokens.values()})
        return {
            words: str(unseal(token, key, words.event_id))
            for words, token in tokens.items()
            if (key := keys[token.subject, token.generation]) is not None
        }

    return Grant(opened, secret)
