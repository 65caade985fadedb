# rnnnlp on a CPU, for a user who is not root.
#
#     docker build -t rnnnlp .
#     docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" rnnnlp train sentiment --data reviews.csv --budget 10m
FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++
WORKDIR /source
COPY pyproject.toml CMakeLists.txt README.md LICENSE ./
COPY rnnnlp rnnnlp
COPY data data
RUN python -m venv /opt/rnnnlp && /opt/rnnnlp/bin/pip install --no-cache-dir . && /opt/rnnnlp/bin/rnnnlp info --backend native

FROM python:3.12-slim
COPY --from=build /opt/rnnnlp /opt/rnnnlp
RUN useradd --create-home user && install --directory --owner=user --group=user /data
USER user
ENV PATH=/opt/rnnnlp/bin:$PATH HF_HOME=/data/.cache/huggingface RNNNLP_CACHE=/data/.cache/rnnnlp
WORKDIR /data
ENTRYPOINT ["rnnnlp"]
CMD ["--help"]
