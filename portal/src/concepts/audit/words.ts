/** What does an entry of the audit trail say in the reader's language? "key.created" is put together of two words; what has none stays as it is. */
import type { Say } from "../../lib/i18n";
import type { Key } from "../../lib/keys";

/** Two ways in which actions are written, for one word. */
const SAME: Record<string, string> = {
  create: "created",
  update: "updated",
  changed: "updated",
  delete: "deleted",
  block: "disabled",
  unblock: "enabled",
  deprecate: "deprecated",
  publish: "published",
  reinstate: "reinstated",
  restrict: "restricted",
  unrestrict: "unrestricted",
  lifted: "unrestricted",
  retire: "retired",
  restore: "restored",
  test_restore: "test_restored",
};
const SAME_TYPE: Record<string, string> = { "sign-in": "auth" };

function known(say: Say, key: string): string | null {
  const text = say(key as Key);
  return text === key ? null : text;
}

export function typeWord(say: Say, type: string): string {
  return known(say, `audit_of_${SAME_TYPE[type] ?? type}`) ?? type;
}

export function actionWord(say: Say, action: string): string {
  const [subject = "", ...verbs] = action.split(".");
  const words = [known(say, `audit_of_${subject}`), ...verbs.map((verb) => known(say, `audit_did_${SAME[verb] ?? verb}`))];
  if (words.includes(null)) return action;
  return say("audit_words", { subject: words[0] ?? "", what: words.slice(1).join(", ") });
}
