# The program on CPUs, without root. Built with PyTorch's index of CPU wheels, which its web page names (the usual index
# brings gigabytes for GPUs): docker build -t forecast --build-arg TORCH_INDEX=https://... . And then, as on the command
# line, in a folder that user 1000 may write:
#   docker run --rm -v "$PWD:/work" forecast data.path=sales.csv horizon=30
#   docker run --rm -v "$PWD:/work" -p 127.0.0.1:8000:8000 -e FORECAST_TOKEN=... forecast task=app serve.host=0.0.0.0
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY forecast forecast
COPY conf conf
COPY data data
ARG TORCH_INDEX=""
RUN python -m venv /opt/forecast \
    && /opt/forecast/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        -c constraints.txt '.[serve,excel,fast,statistical,tune]'

FROM python:3.13-slim
# libgomp: the threads of torch and scikit-learn, of whatever version this release of Debian has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 forecast
COPY --from=build /opt/forecast /opt/forecast
ENV PATH=/opt/forecast/bin:$PATH PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba
USER 1000
WORKDIR /work
EXPOSE 8000
# A service is alive when it answers; a job has no service, and no health that could be asked.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["forecast"]
CMD ["task=app", "serve.host=0.0.0.0", "serve.browser=false"]
