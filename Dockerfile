# The image contains one static file and the CA certificates for TLS to providers: no shell, no packages, no root.
# scripts/static.sh builds and tests the file, as in `make static`; PostgreSQL is for the profiling run.
FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl musl-tools postgresql \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    install -D "$(scripts/static.sh --release)" /image/switchboard \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
COPY --from=build /image/ /
# An unprivileged user; Kubernetes' runAsNonRoot requires a numeric id.
USER 65532:65532
ENV SWITCHBOARD__SERVER__LISTEN=0.0.0.0:8080 \
    SWITCHBOARD__LOG__FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/switchboard", "healthcheck"]
ENTRYPOINT ["/switchboard"]
CMD ["serve"]
