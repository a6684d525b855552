# Builds davit and an image that runs it:
#
#     davit build --network egress --build-arg BASE=localhost:5000/debian:12 -t davit .
#     docker build -t davit .
#
# The image can run pipelines without privileges; as a deploy runner davit wants to be the host's root.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/packages/build scripts/packages/build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends $(grep -v '^#' scripts/packages/build)
COPY . .
RUN cmake --preset release -DDAVIT_TESTS=OFF && cmake --build --preset release \
    && DESTDIR=/out cmake --install build/release --prefix /usr/local --strip

FROM ${BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
    libarchive13 libcurl4 libgit2-1.5 libisal2 libjansson4 libsqlite3-0 libssl3 libyaml-0-2 ca-certificates
COPY --from=build /out/ /
ENTRYPOINT ["davit"]
CMD ["help"]
