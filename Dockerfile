# One image for every process of the system: what runs is the command, as `python -m` takes it.
#
# `make containers` builds it and runs every process in it (tests/containers): on python:3.13-slim where that can be had,
# else on a stand-in for it. It was last built on 4 December 2026, on the stand-in: Debian trixie with its Python 3.13.

FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /build
RUN python -m venv --without-pip /opt/ooc && python -m venv --without-pip /opt/build
COPY requirements/run.txt requirements/build.txt requirements/
RUN pip --python /opt/ooc/bin/python install --require-hashes -r requirements/run.txt && \
    pip --python /opt/build/bin/python install --require-hashes -r requirements/build.txt

COPY pyproject.toml README.md LICENSE ./
COPY docs/reference/alerts.yaml docs/reference/alerts.yaml
COPY shared shared
COPY services services
COPY tools tools
COPY ooc ooc
RUN pip --python /opt/build/bin/python wheel --no-deps --no-build-isolation --wheel-dir wheels . && \
    pip --python /opt/ooc/bin/python install --no-deps wheels/*.whl


FROM python:3.13-slim

# The home is there for a volume to take its owner from. A container needs to write nowhere else but to /tmp.
RUN useradd --system --uid 10001 --home-dir /var/lib/ooc --create-home ooc
COPY --from=build /opt/ooc /opt/ooc

LABEL org.opencontainers.image.version="2026.12.1"

USER ooc
WORKDIR /var/lib/ooc
ENV PATH=/opt/ooc/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    OOC_VAR=/var/lib/ooc \
    OOC_HOST=0.0.0.0
ENTRYPOINT ["python", "-m"]
CMD ["ooc.main", "--help"]
