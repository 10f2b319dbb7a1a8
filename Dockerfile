# Persona Studio as an image; docs/hosting.md says how it is used.
#   docker build -t persona-studio:gpu .                          torch and diffusers, for NVIDIA GPUs
#   docker build -t persona-studio:cpu --build-arg DEVICE=cpu .   the web half: no torch, preview pictures
ARG DEVICE=gpu

# torch brings the CUDA libraries that it was built with; what counts here is that the host's driver is at least as new.
FROM nvidia/cuda:13.0.2-runtime-ubuntu24.04 AS base-gpu
FROM ubuntu:24.04 AS base-cpu

# hadolint ignore=DL3006
FROM base-${DEVICE}
ARG DEVICE

# Fonts are for preview pictures, in Latin and Chinese. The distribution deletes old versions, so a pinned one would soon not be found.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fontconfig fonts-dejavu-core fonts-noto-cjk python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin studio \
    && install -d -o studio -g studio /data /models

# What changes least comes first: torch, then the other packages, then our files.
ENV PATH=/opt/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN python3 -m venv /opt/venv
COPY requirements.txt requirements-web.txt ./
RUN if [ "$DEVICE" = gpu ]; then pip install "$(grep '^torch==' requirements.txt)"; fi
RUN if [ "$DEVICE" = gpu ]; then pip install -r requirements.txt; else pip install -r requirements-web.txt; fi
# Over Gradio's own pin (docs/decisions/0002).
RUN pip install --no-deps 'pillow>=13,<14'

COPY . .
RUN python -m compileall -q .

ENV PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=7860 DATA_DIR=/data
# Models that are named by their hub id, and kernels that were compiled for this GPU, are kept for the next start.
ENV HF_HOME=/models/hub XDG_CACHE_HOME=/models/cache TRITON_CACHE_DIR=/models/cache/triton TORCHINDUCTOR_CACHE_DIR=/models/cache/inductor
USER 10001
VOLUME ["/data", "/models"]
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=5); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["python", "app.py"]
