# The base is an argument: give it by digest where you build for others, e.g.
#   docker build --build-arg BASE=python:3.13-slim@sha256:... -t routernesia-bot:0.1.0 .
# Both stages use the same one, so the interpreter stands at the same path in both.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG UV_VERSION=0.13.9
# requirements-otel.lock has OpenTelemetry too, for traces.
ARG LOCK=requirements.lock
# System certificates: a base with your own authority in it can build behind your own mirror.
ENV PYTHONDONTWRITEBYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /src
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}" \
 && /uv/bin/uv venv --no-project --python "$(command -v python3)" /venv
# Dependencies change less often than the code: their layer comes first.
COPY requirements.lock requirements-otel.lock ./
RUN /uv/bin/uv pip install --no-cache --python /venv/bin/python --compile-bytecode --require-hashes -r "${LOCK}"
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
COPY adapters ./adapters
RUN /uv/bin/uv pip install --no-cache --python /venv/bin/python --compile-bytecode --no-deps .

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="routernesia-bot" \
      org.opencontainers.image.description="A chat bot for Slack and Discord" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}"
# The folder exists with its owner, so that a fresh named volume on it is writable.
RUN mkdir /data && chown 65532:65532 /data && chmod 0700 /data
COPY --from=build /venv /venv
# No HOME to write to is needed: the root may be read-only, only /data and /tmp are written.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp DATA_DIR=/data
USER 65532:65532
# Not /data, where only its owner may look for a .env: a cluster may choose another user.
WORKDIR /
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["routernesia-bot", "health"]
ENTRYPOINT ["routernesia-bot"]
CMD ["run"]
# Last, since it changes with every commit. /livez, /metrics, traces and `status` tell it.
ARG REVISION=""
LABEL org.opencontainers.image.revision="${REVISION}"
ENV BUILD_REVISION=${REVISION}
