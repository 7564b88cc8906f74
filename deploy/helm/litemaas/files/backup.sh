# Dumps the database, proves that the dump can be restored, and keeps the newest dumps.
# DATABASE_URL, BACKUP_DIR, BACKUP_KEEP, BACKUP_TEST_RESTORE (true or false), SCRATCH_DIR.
set -eu
umask 077
name=litemaas-$(date -u +%Y%m%dT%H%M%SZ).dump
partial=$BACKUP_DIR/.partial-$name

cleanup() {
  if [ -f "$SCRATCH_DIR/pg/postmaster.pid" ]; then pg_ctl -D "$SCRATCH_DIR/pg" -m immediate -w stop >/dev/null 2>&1 || true; fi
  rm -rf "$partial" "$SCRATCH_DIR/pg"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# What an interrupted run has left.
rm -rf "$BACKUP_DIR"/.partial-* "$SCRATCH_DIR/pg"

# libpq takes the URL from a file of its own, so that no password stands in a command line.
PGSERVICEFILE=$SCRATCH_DIR/.service
export PGSERVICEFILE
connection() { psql -X -A -t -q "service=scratch" "$@"; }
printf '[scratch]\nhost=%s\nport=5432\nuser=restore\ndbname=restored\n' "$SCRATCH_DIR" > "$PGSERVICEFILE"

decode() {
  printf '%s\n' "$1" | LC_ALL=C awk '
    function digit(c) { return index("0123456789ABCDEF", toupper(c)) - 1 }
    {
      while (match($0, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        printf "%s%c", substr($0, 1, RSTART - 1), digit(substr($0, RSTART + 1, 1)) * 16 + digit(substr($0, RSTART + 2, 1))
        $0 = substr($0, RSTART + 3)
      }
      printf "%s", $0
    }'
}
rest=${DATABASE_URL#*://}
parameters=${rest#*\?}
test "$parameters" != "$rest" || parameters=
rest=${rest%%\?*}
credentials=${rest%@*}
place=${rest##*@}
host=${place%%/*}
case $credentials in *:*) PGPASSWORD=$(decode "${credentials#*:}") ;; *) PGPASSWORD=${PGPASSWORD:-} ;; esac
PGUSER=$(decode "${credentials%%:*}")
PGDATABASE=$(decode "${place#*/}")
PGHOST=${host%:*}
case $host in *:*) PGPORT=${host##*:} ;; *) PGPORT=5432 ;; esac
for parameter in $(printf '%s' "$parameters" | tr '&' ' '); do
  case $parameter in
    sslmode=*) PGSSLMODE=${parameter#*=}; export PGSSLMODE ;;
    host=*) PGHOST=$(decode "${parameter#*=}") ;;
    port=*) PGPORT=${parameter#*=} ;;
  esac
done
PGCONNECT_TIMEOUT=15
export PGPASSWORD PGUSER PGDATABASE PGHOST PGPORT PGCONNECT_TIMEOUT
unset DATABASE_URL

pg_dump --format=custom --no-owner --no-privileges --file="$partial"
pg_restore --list "$partial" >/dev/null

if [ "$BACKUP_TEST_RESTORE" = true ]; then
  # A server of its own, reachable by its socket only; the production server is not touched.
  unset PGPASSWORD PGUSER PGDATABASE PGHOST PGPORT PGSSLMODE
  initdb -D "$SCRATCH_DIR/pg" -U restore -A trust --locale=C.UTF-8 >/dev/null
  pg_ctl -D "$SCRATCH_DIR/pg" -w -t 120 -o "-c listen_addresses='' -c port=5432 -c unix_socket_directories='$SCRATCH_DIR' -c fsync=off" \
    -l "$SCRATCH_DIR/pg/log" start >/dev/null
  psql -X -q "service=scratch dbname=postgres" -c 'create database restored'
  pg_restore --exit-on-error --no-owner --no-privileges --dbname="service=scratch" "$partial"
  revision=$(connection -c 'select version_num from alembic_version')
  tables=$(connection -c "select count(*) from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace")
  test -n "$revision" && test "$tables" -gt 1
  echo "restored: $tables tables at revision $revision"
fi

mv "$partial" "$BACKUP_DIR/$name"
ls -1 "$BACKUP_DIR" | grep '^litemaas-.*\.dump$' | sort -r | tail -n "+$((BACKUP_KEEP + 1))" | while read -r old; do
  rm -f "$BACKUP_DIR/$old"
done
echo "kept $BACKUP_DIR/$name"
