# One image for every process of the system: what runs is the command, `python -m …` or `ooc …`.
#
# Not built where this repository is developed: there is no Docker engine there. tests/architecture/test_compose.py
# checks what can be checked without one.

FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --uid 10001 --home-dir /var/lib/ooc --create-home ooc

WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --require-hashes -r requirements/run.txt

COPY pyproject.toml ./
COPY shared shared
COPY services services
COPY tools tools
RUN pip install --no-deps --no-build-isolation --editable .

USER ooc
ENV OOC_VAR=/var/lib/ooc \
    OOC_HOST=0.0.0.0
ENTRYPOINT ["python", "-m"]
CMD ["services.console.main", "--help"]
