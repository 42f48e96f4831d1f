"""`python -m services.console`: serve the console until told to stop."""

import sys

from services.console.application import console_application
from services.console.settings import ConsoleSettings
from services.disposal.matrices import gravity_matrices
from services.system.addresses import NoSystem, find_addresses
from services.trade.partnership import partnership
from services.trade.practitioners import registers
from shared.domain.dates import BadCalendar, bank_holidays
from shared.observing.tracing import start_tracing
from shared.privacy.keyring import InvalidKeyEncryptionKeys
from shared.privacy.signed_note import BadNote
from shared.runtime.application import serve
from shared.runtime.logs import log_to_stderr
from shared.servers.settings import InvalidSetting, NoPassword


def main() -> None:
    """Serve the console; exits 1 with a sentence if that cannot be."""
    log_to_stderr("console")
    start_tracing("console")
    try:
        settings = ConsoleSettings()
        bank_holidays()
        partnership()
        gravity_matrices()
        registers()
        addresses = find_addresses(settings.url.split() if settings.url else (), var=settings.var)
        serve(console_application(settings, addresses), settings)
    except (BadNote, InvalidKeyEncryptionKeys, InvalidSetting, NoPassword, NoSystem, BadCalendar) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
