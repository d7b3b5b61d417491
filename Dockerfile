# The image of all pods: qstore_tf with its op library, TensorFlow and TensorBoard.
#   docker build -t qstore-tf:0.1.0 .          or: podman build, buildah build
# With NVIDIA's libraries, for k8s/overlays/gpu:
#   docker build -t qstore-tf:0.1.0-gpu --build-arg "TENSORFLOW=tensorflow[and-cuda]==2.21.0" .
# To pin the base harder than by its tag: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TENSORFLOW=tensorflow==2.21.0
ARG KERAS=keras==3.15.1
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
# The compiler's version is the one of the base image's Debian release; it stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013
RUN python -m venv /opt/venv && pip install --no-cache-dir "$TENSORFLOW" "$KERAS"
WORKDIR /src
COPY pyproject.toml setup.cfg setup.py MANIFEST.in README.md LICENSE ./
COPY qstore_tf qstore_tf
# An image without the op library would be slow without saying so: here it must be built. Versions are in the arguments.
# hadolint ignore=DL3013
RUN QSTORE_REQUIRE_NATIVE=1 pip wheel --no-deps --wheel-dir /wheels . \
    && pip install --no-cache-dir "$(echo /wheels/*.whl)[ionq,server,pgvector]" "$TENSORFLOW" "$KERAS" \
    && pip check

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/venv /opt/venv
# Everything that a process writes goes to /tmp, which Kubernetes mounts: the root is read-only.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    MPLBACKEND=Agg \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /tmp
CMD ["qstore", "info"]
