# The images of both services and of the partner simulator: `docker build --target acl -t acl .`; without --target, virtual-stock.
# Both FROM lines name the same Debian: a program runs on the libraries that it was linked with. More: docs/DEPLOYMENT.md.
ARG RUST=1.95.0
ARG DEBIAN=trixie
ARG RUNTIME=gcr.io/distroless/cc-debian13:nonroot

# The compiler, what librdkafka needs to be built, and two helpers of cargo.
FROM rust:${RUST}-${DEBIAN} AS tools
ARG CARGO_CHEF=0.1.77
ARG CARGO_AUDITABLE=0.7.7
# cmake's version is that of the Debian release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/* \
    && cargo install --locked "cargo-chef@${CARGO_CHEF}" "cargo-auditable@${CARGO_AUDITABLE}"
WORKDIR /src

# What the dependencies are: this layer's result changes only when they do.
FROM tools AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# Dependencies first, a layer that is kept; then our own code, with the list of what went into it (`cargo audit bin` reads it).
FROM tools AS build
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
COPY --from=plan /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --recipe-path recipe.json -p virtual-stock -p acl -p partner-sim
COPY . .
RUN cargo auditable build --release --locked -p virtual-stock -p acl -p partner-sim

# No shell, no package manager, nobody's user; libc, libgcc_s, OpenSSL and zlib, which the programs need, are in it.
FROM ${RUNTIME} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG SOURCE=https://virtual-stock.example.com
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.vendor="virtual-stock" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian13:nonroot"
COPY LICENSE-MIT LICENSE-APACHE /licenses/
USER 65532:65532

# It has no health of its own to ask for.
FROM runtime AS partner-sim
LABEL org.opencontainers.image.title="partner-sim" \
      org.opencontainers.image.description="A partner API with scripted faults and a ledger"
COPY --from=build /src/target/release/partner-sim /usr/local/bin/partner-sim
EXPOSE 9090
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/partner-sim"]
CMD ["--listen", "0.0.0.0:9090"]

FROM runtime AS acl
LABEL org.opencontainers.image.title="acl" \
      org.opencontainers.image.description="Tells partners of the stock service's events"
COPY --from=build /src/target/release/acl /usr/local/bin/acl
ENV ACL__HTTP__LISTEN=0.0.0.0:8081 \
    ACL__MANAGEMENT__LISTEN=0.0.0.0:9081
EXPOSE 8081 9081
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/usr/local/bin/acl", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/acl"]
CMD ["serve"]

FROM runtime AS virtual-stock
LABEL org.opencontainers.image.title="virtual-stock" \
      org.opencontainers.image.description="A stock service with event streaming"
COPY --from=build /src/target/release/virtual-stock /usr/local/bin/virtual-stock
ENV VIRTUAL_STOCK__HTTP__LISTEN=0.0.0.0:8080 \
    VIRTUAL_STOCK__MANAGEMENT__LISTEN=0.0.0.0:9080
EXPOSE 8080 9080
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/usr/local/bin/virtual-stock", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/virtual-stock"]
CMD ["serve"]
