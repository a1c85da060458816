# The image is the program and the C library it needs: no shell, no package, nothing else to attack.
#
#     npm run image && docker build -t app .
#     docker run --read-only -v app-data:/data -p 127.0.0.1:3000:3000 app
#
# One container per role: `docker run … app --role=escrow`; settings are environment variables.
FROM scratch
COPY dist/image/files/ /
# A new volume takes over the owner of the folder it covers.
COPY --chown=65532:65532 dist/image/data /data
ENV HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["/app", "health"]
ENTRYPOINT ["/app"]
