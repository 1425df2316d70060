#!/bin/sh
# Checks compose.yaml, the Dockerfile and everything below deploy/ by the programs and formats that they are written
# for. Needs requirements-deploy.txt, nginx, pgbouncer and envsubst: on Debian and Ubuntu
# `apt-get install nginx-light pgbouncer gettext-base`. Usage, from the project's folder: sh deploy/check.sh
set -eu

# The newest and the oldest of Kubernetes that the base is written for.
KUBERNETES="1.29.0 1.37.0"
PATH=$PATH:/usr/sbin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"

for program in nginx pgbouncer envsubst; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: apt-get install nginx-light pgbouncer gettext-base" >&2
        exit 1
    }
done

echo "yaml"
yamllint --strict --config-file deploy/.yamllint compose.yaml deploy

echo "Dockerfile"
hadolint Dockerfile

echo "compose.yaml"
check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
compose-lint --fail-on high compose.yaml >"$scratch/log" || {
    cat "$scratch/log" >&2
    exit 1
}

for version in $KUBERNETES; do
    echo "Kubernetes $version"
    for file in deploy/kubernetes/*.yaml; do
        case $file in
        */kustomization.yaml | */prometheus-adapter.yaml) ;;
        *) kubernetes-validate --quiet --strict --kubernetes-version "$version" "$file" ;;
        esac
    done
done

echo "nginx"
mkdir "$scratch/conf.d"
types=$(find /etc/nginx/mime.types)
cp deploy/nginx/nginx.conf "$types" "$scratch"
NGINX_PORT=18080 NGINX_LOCAL_RESOLVERS=127.0.0.1 ENCORE_BEHIND_PROXY=0 \
    ENCORE_SERVERS='server 127.0.0.1:18081 max_fails=0; server 127.0.0.1:18082 max_fails=0;' \
    envsubst '$NGINX_PORT $NGINX_LOCAL_RESOLVERS $ENCORE_BEHIND_PROXY $ENCORE_SERVERS' \
    <deploy/nginx/templates/default.conf.template >"$scratch/conf.d/default.conf"
sed -i "s#/tmp/#$scratch/#" "$scratch/nginx.conf" "$scratch/conf.d/default.conf"
nginx -q -t -c "$scratch/nginx.conf"

echo "pgbouncer"
echo '"encore" "password"' >"$scratch/userlist.txt"
sed "s#^auth_file = .*#auth_file = $scratch/userlist.txt#; s#^listen_addr = .*#listen_addr = 127.0.0.1#; s#^listen_port = .*#listen_port = 16432#" \
    deploy/pgbouncer/pgbouncer.ini >"$scratch/pgbouncer.ini"
case $(pgbouncer --version) in
# Before 1.21 it does not know prepared statements.
"PgBouncer 1.1"* | "PgBouncer 1.20"*) sed -i '/^max_prepared_statements/d' "$scratch/pgbouncer.ini" ;;
esac
user=""
[ "$(id -u)" != 0 ] || user="--user=nobody"
# It has no way of reading a file alone: it is started, and ended as soon as it stands.
timeout --signal=QUIT 2 pgbouncer $user "$scratch/pgbouncer.ini" >"$scratch/log" 2>&1 || true
if ! grep -q "process up" "$scratch/log" || grep -qE "ERROR|FATAL|WARNING" "$scratch/log"; then
    cat "$scratch/log" >&2
    exit 1
fi
echo "All is well."
