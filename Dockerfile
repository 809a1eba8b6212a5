# The worker's image. First the locked packages, which change rarely; then the package itself.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/segmenter
WORKDIR /source
COPY requirements/run.txt requirements/build.txt requirements/compile.txt requirements/
RUN /opt/segmenter/bin/pip install -q --require-hashes -r requirements/build.txt \
 && /opt/segmenter/bin/pip install -q --require-hashes -r requirements/run.txt
# COMPILED=1: what is in an event's way as C extensions (docs/operations.md).
ARG COMPILED=0
RUN if [ "$COMPILED" = 1 ]; then \
      apt-get update -q && apt-get install -yq --no-install-recommends gcc libc6-dev \
      && /opt/segmenter/bin/pip install -q --require-hashes -r requirements/compile.txt; \
    fi
COPY pyproject.toml setup.py README.md ./
COPY stream stream
RUN SEGMENTER_COMPILED=$COMPILED /opt/segmenter/bin/pip install -q --no-deps --no-build-isolation . \
 && /opt/segmenter/bin/pip uninstall -q -y setuptools cython

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/segmenter --shell /usr/sbin/nologin segmenter \
 && install -d -o segmenter -g segmenter -m 0700 /var/lib/segmenter
COPY --from=build /opt/segmenter /opt/segmenter
ENV PATH=/opt/segmenter/bin:$PATH PYTHONUNBUFFERED=1
USER segmenter
WORKDIR /var/lib/segmenter
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/livez', timeout=3)"]
ENTRYPOINT ["segmenter"]
CMD ["worker", "--config", "/etc/segmenter/settings.yaml"]
