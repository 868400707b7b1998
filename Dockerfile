# moodle-appservice in a container. Needs BuildKit (Docker 23 or newer) or Buildah. How to use it: docs/container.md.

ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/moodle-appservice
# Packages first: this layer is kept as long as only our own code changes. With the extra for several processes.
COPY requirements/cluster.txt requirements/
RUN /opt/moodle-appservice/bin/pip install --require-hashes -r requirements/cluster.txt
COPY pyproject.toml README.md LICENSE ./
COPY moodle_appservice moodle_appservice
RUN /opt/moodle-appservice/bin/pip install --no-deps .

FROM ${BASE}
LABEL org.opencontainers.image.title="moodle-appservice" \
      org.opencontainers.image.description="Keeps Matrix rooms equal to Moodle's courses, groups and people" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 1337 moodle \
 && useradd --uid 1337 --gid 1337 --no-create-home --home-dir /data --shell /usr/sbin/nologin moodle \
 && install -d -o 1337 -g 1337 -m 0700 /data
COPY --from=build /opt/moodle-appservice /opt/moodle-appservice
COPY --chmod=0755 <<'EOF' /usr/local/bin/start
#!/bin/sh
# Words are a command line of moodle-appservice. Without words: the next step of a new installation, or run.
set -eu
if [ "$#" -gt 0 ]; then
  exec moodle-appservice "$@"
fi
if [ ! -w . ]; then
  echo "/data is not writable for user $(id -u). Nothing was written. Mount a volume there that belongs to 1337:1337." >&2
  exit 1
fi
if [ ! -e config.yaml ] || [ ! -e registration.yaml ]; then
  exec moodle-appservice -g
fi
exec moodle-appservice run
EOF
# The port and the address to listen on are fixed inside the container; the configuration can't break the health check.
ENV PATH=/opt/moodle-appservice/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MOODLE_APPSERVICE_APPSERVICE__HOSTNAME=0.0.0.0 \
    MOODLE_APPSERVICE_APPSERVICE__PORT=29301
USER 1337:1337
WORKDIR /data
VOLUME /data
EXPOSE 29301
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:29301/_matrix/mau/ready', timeout=4)"]
ENTRYPOINT ["/usr/local/bin/start"]
