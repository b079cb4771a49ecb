# harvester as a service: the daemon, a headless browser, nothing of the build.
#
#   docker build -t knoq-harvester .
#   docker compose -f docker/compose.yaml up      # with a consumer beside it
#
# docs/docker.md has the rest.  The browser keeps its sandbox with docker/seccomp.json; Docker's
# own profile forbids it the namespaces that it needs.  scripts/test-fresh runs the lines of this
# file in a folder, where no Docker is to be had.

FROM python:3.13-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# What goes into the image has no pip of its own: the build's puts the packages there.
RUN python -m venv /tmp/build \
    && python -m venv --without-pip /opt/harvester \
    && /tmp/build/bin/pip --python /opt/harvester/bin/python install \
        --require-hashes -r requirements.lock \
    && /tmp/build/bin/pip install --require-hashes -r requirements-dev.lock
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY harvester harvester
RUN /tmp/build/bin/python -m hatchling build -t wheel -d /tmp/wheel \
    && /tmp/build/bin/pip --python /opt/harvester/bin/python install \
        --no-deps --no-index /tmp/wheel/*.whl

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="knoq-harvester" \
      org.opencontainers.image.licenses="Apache-2.0"
# libatomic1: Playwright's driver needs it.  tini: reaps what a killed browser leaves, and hands
# TERM on.  No versions: a browser must be the newest that the distribution has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates chromium-headless-shell libatomic1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 harvester \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin harvester \
    && install -d -m 0700 -o harvester -g harvester /var/lib/harvester /run/harvester
COPY --from=build /opt/harvester /opt/harvester
ENV PATH=/opt/harvester/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HARVESTER_STORE=/var/lib/harvester \
    HARVESTER_SOCKET=/run/harvester/harvester.sock
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
VOLUME ["/var/lib/harvester", "/run/harvester"]
# The socket answers: the loop turns.  Never depends on the site, so that an outage there restarts
# nothing here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s \
    CMD ["python", "-Ic", "import os, socket; s = socket.socket(socket.AF_UNIX); s.settimeout(4); s.connect(os.environ['HARVESTER_SOCKET']); s.sendall(b'GET /livez HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n'); assert s.recv(12) == b'HTTP/1.1 200'"]
ENTRYPOINT ["tini", "--", "harvester"]
CMD ["serve"]
