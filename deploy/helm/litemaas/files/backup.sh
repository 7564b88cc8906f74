# Makes a backup, proves that it can be restored, and keeps the newest ones of a folder.
# LITEMAAS_BACKUP_TARGET, BACKUP_KEEP, BACKUP_ENCRYPTED and BACKUP_TEST_RESTORE (true or false).
set -eu
umask 077
if [ "$BACKUP_ENCRYPTED" = true ]; then
  made=$(litemaas backup create --encrypted)
else
  made=$(litemaas backup create)
fi
echo "$made"
id=${made%% *}
# A backup that cannot be restored fails the job, and no older one goes.
if [ "$BACKUP_TEST_RESTORE" = true ]; then
  litemaas backup test-restore "$id" --schema litemaas_backup_test
fi
case $LITEMAAS_BACKUP_TARGET in
  *://*) ;; # the bucket's own lifecycle rules drop old ones
  *)
    ls -1 "$LITEMAAS_BACKUP_TARGET" | sed -n 's/^\([0-9TZ]*-[0-9a-f]*\)\.json$/\1/p' | sort -r | tail -n "+$((BACKUP_KEEP + 1))" \
      | while read -r old; do rm -f "$LITEMAAS_BACKUP_TARGET/$old".*; done
    ;;
esac
