# Starts Valkey with the password of the environment; it stands in no command line. Nothing in here is worth keeping: see
# docs/explanation/money.md for why losing it loses no money.
set -eu
umask 077
quoted=$(printf '%s' "$VALKEY_PASSWORD" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g')
test -n "$quoted"
printf 'requirepass "%s"\n' "$quoted" > "${TMPDIR:-/tmp}/valkey.conf"
unset VALKEY_PASSWORD REDISCLI_AUTH quoted
exec valkey-server "${TMPDIR:-/tmp}/valkey.conf" --port "${VALKEY_PORT:-6379}" --dir "${TMPDIR:-/tmp}" --save '' \
  --appendonly no --maxmemory {{ .Values.valkey.maxMemory }} --maxmemory-policy noeviction
